/** Estimates the flow from each frame to a key frame, starting from the last flow to the same key frame. */

import { buildPyramid, confirm, estimateFlow } from './flow.js';
import { blur, halve, resize } from './planes.js';

/** @typedef {import('./flow.js').Field} Field */
/** @typedef {import('./planes.js').FloatPlane} FloatPlane */
/** @typedef {import('./planes.js').Plane} Plane */

/** The longer side, in pixels, of remembered pictures: a grid of colours shows no finer motion. */
export const FLOW_SIDE = 256;

/** Longer sides, in pixels, at which pictures may be compared. */
const SIDES = [160, 192, 224, FLOW_SIDE];
/** How long a flow may take. */
const BUDGET_MS = 10;
/** The number of flows whose median time decides on the size: enough to outweigh the slow first ones. */
const MEASURED = 15;
/** The finest level of the flow from a key frame, which only confirms the other: half the detail, a third of the time */
const FINEST_FROM_KEY = 2;

/**
 * A key frame, and the last flows to it and from it.
 * @typedef {object} KeyFrame
 * @property {Plane} luma 0..255, as it was remembered
 * @property {Plane[]} pyramid in the size that was compared last; empty before the first comparison
 * @property {Field|null} toKey
 * @property {Field|null} fromKey
 */

/**
 * The size at which a picture is no longer than `side`.
 * @param {number} width
 * @param {number} height
 * @param {number} side the longest allowed
 * @returns {[number, number]} even, and at least 16
 */
export function fitted(width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  return [fit(width, scale), fit(height, scale)];
}

/**
 * @param {number} length in pixels
 * @param {number} scale
 * @returns {number}
 */
function fit(length, scale) {
  return Math.max(16, 2 * Math.round((scale * length) / 2));
}

/** Chooses the size of pictures at which a flow stays within BUDGET_MS. */
export class Pace {
  #index = SIDES.length - 1;
  /** @type {number[]} in milliseconds, of the flows since the last decision */
  #times = [];

  /** @returns {number} pixels of the longer side */
  get side() {
    return SIDES[this.#index];
  }

  /** @param {number} ms how long a flow took */
  measured(ms) {
    this.#times.push(ms);
    if (this.#times.length < MEASURED) return;
    const median = this.#times.sort((a, b) => a - b)[MEASURED >> 1];
    if (median > BUDGET_MS) this.#index = Math.max(this.#index - 1, 0);
    if (median < BUDGET_MS / 2) this.#index = Math.min(this.#index + 1, SIDES.length - 1);
    this.#times = [];
  }
}

export class Estimator {
  /** @type {Map<number, KeyFrame>} by frame id */
  #keys = new Map();
  #pace = new Pace();
  #forGrid;

  /** @param {boolean} forGrid whether grids are sampled along the flow: for these, variation within a cell is jitter */
  constructor(forGrid = false) {
    this.#forGrid = forGrid;
  }

  /**
   * Remember a key frame.
   * @param {number} id
   * @param {Plane} luma 0..255
   */
  addKey(id, luma) {
    this.#keys.set(id, { luma, pyramid: [], toKey: null, fromKey: null });
  }

  /** @param {number} id */
  removeKey(id) {
    this.#keys.delete(id);
  }

  /**
   * Estimate the flow from a frame to a key frame.
   * @param {Plane} luma 0..255, of the key frame's shape
   * @param {number} id of a key frame that was added
   * @returns {Omit<import('./tracker.js').Flow, 'frameId'>}
   * @throws {RangeError} if no such key frame is remembered
   */
  estimate(luma, id) {
    const startedAt = performance.now();
    const key = this.#keys.get(id);
    if (!key) throw new RangeError(`Key frame ${id} was not added.`);
    const { side } = this.#pace;
    const pyramid = buildPyramid(shrink(luma, side));
    if (key.pyramid[0]?.width !== pyramid[0].width) key.pyramid = buildPyramid(shrink(key.luma, side));
    key.toKey = estimateFlow(pyramid, key.pyramid, key.toKey);
    key.fromKey = estimateFlow(key.pyramid, pyramid, key.fromKey, FINEST_FROM_KEY);
    const validity = confirm(key.toKey, key.fromKey);
    const flow = this.#forGrid ? soften(key.toKey, validity) : { ...key.toKey, validity };
    const normalizedFlow = normalize(flow, key.toKey);
    const ms = performance.now() - startedAt;
    this.#pace.measured(ms);
    return { width: flow.width, height: flow.height, normalizedFlow, ms, size: [pyramid[0].width, pyramid[0].height] };
  }
}

/**
 * @param {Plane} luma
 * @param {number} side the longest allowed, in pixels
 * @returns {Plane}
 */
function shrink(luma, side) {
  return resize(luma, ...fitted(luma.width, luma.height, side));
}

/**
 * A smooth flow of half the size: each place takes the mean around it, weighted by validity.
 * @param {Field} field
 * @param {Float32Array} validity 0..1 for each vector
 * @returns {Field & {validity: Float32Array}} with vectors that are still in pixels of the given field
 */
function soften({ width, height, u, v }, validity) {
  /** @type {(pixels: Float32Array) => FloatPlane} */
  const soft = (pixels) => blur(halve({ width, height, pixels }));
  const weights = soft(validity);
  /** @type {(component: Float32Array) => Float32Array} */
  const weighted = (component) => {
    const { pixels } = soft(component.map((length, i) => length * validity[i]));
    return pixels.map((length, i) => length / (weights.pixels[i] + 1e-6));
  };
  return { width: weights.width, height: weights.height, u: weighted(u), v: weighted(v), validity: weights.pixels };
}

/**
 * The flow as the pixels of a texture: dx and dy as fractions of the width and height, validity, and 0.
 * @param {{u: Float32Array, v: Float32Array, validity: Float32Array}} flow
 * @param {{width: number, height: number}} size of the picture in whose pixels the flow is measured
 * @returns {Float32Array<ArrayBuffer>}
 */
function normalize({ u, v, validity }, { width, height }) {
  const normalized = new Float32Array(4 * validity.length);
  for (let i = 0; i < validity.length; i++) {
    normalized[4 * i] = u[i] / width;
    normalized[4 * i + 1] = v[i] / height;
    normalized[4 * i + 2] = validity[i];
  }
  return normalized;
}
