/** Follows the picture back to its key frames: a flow a frame, begun where the last one to that key frame ended. */

import { buildPyramid, confirm, estimateFlow } from './flow.js';
import { blur, halve, resize } from './planes.js';

/** Longer sides of the pictures compared. The largest sees all that a grid of colours can show. */
const SIDES = [160, 192, 224, 256];
const BUDGET_MS = 10;
/** Flows between two looks at the time they took: enough that a median forgets the slow first ones. */
const MEASURED = 15;
/** The flow back only confirms: half the detail, a third of the time. */
const FINEST_BACK = 2;

/** The longer side of the pictures worth remembering. */
export const LARGEST_SIDE = SIDES.at(-1);

/**
 * The size of a picture made small enough.
 * @param {number} width
 * @param {number} height
 * @param {number} side the longest allowed
 * @returns {[number, number]} even, and at least 16
 */
export function fitted(width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  return [width, height].map((length) => Math.max(16, 2 * Math.round((scale * length) / 2)));
}

/** Picks the size at which a flow stays within its budget. */
export class Pace {
  #index = SIDES.length - 1;
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
  #keys = new Map();
  #pace = new Pace();
  #forGrid;

  /** @param {boolean} forGrid whether the flow is to look up grids: what bends within a cell is only jitter to them */
  constructor(forGrid = false) {
    this.#forGrid = forGrid;
  }

  /**
   * Remember a key frame.
   * @param {number} id
   * @param {import('./planes.js').Plane} luma 0..255
   */
  addKey(id, luma) {
    this.#keys.set(id, { luma, pyramid: [], forward: null, backward: null });
  }

  /** @param {number} id */
  removeKey(id) {
    this.#keys.delete(id);
  }

  /**
   * The flow from a frame to a key frame.
   * @param {import('./planes.js').Plane} luma 0..255, of the key frame's shape
   * @param {number} id of a key frame that was added
   * @returns {Omit<import('./tracker.js').Flow, 'frameId'>}
   */
  estimate(luma, id) {
    const startedAt = performance.now();
    const key = this.#keys.get(id);
    const { side } = this.#pace;
    const pyramid = buildPyramid(fit(luma, side));
    if (key.pyramid[0]?.width !== pyramid[0].width) key.pyramid = buildPyramid(fit(key.luma, side));
    key.forward = estimateFlow(pyramid, key.pyramid, key.forward);
    key.backward = estimateFlow(key.pyramid, pyramid, key.backward, FINEST_BACK);
    const validity = confirm(key.forward, key.backward);
    const flow = this.#forGrid ? soften(key.forward, validity) : { ...key.forward, validity };
    const moves = interleave(flow, key.forward);
    const ms = performance.now() - startedAt;
    this.#pace.measured(ms);
    return { width: flow.width, height: flow.height, moves, ms, size: [pyramid[0].width, pyramid[0].height] };
  }
}

function fit(luma, side) {
  return resize(luma, ...fitted(luma.width, luma.height, side));
}

/** Smooth, and half the size: each place takes the moves around it, as far as they are valid. */
function soften({ width, height, u, v }, validity) {
  const soft = (pixels) => blur(halve({ width, height, pixels }));
  const weights = soft(validity);
  const weighed = (moves) => {
    const { pixels } = soft(moves.map((move, i) => move * validity[i]));
    return pixels.map((move, i) => move / (weights.pixels[i] + 1e-6));
  };
  return { ...weights, u: weighed(u), v: weighed(v), validity: weights.pixels };
}

/** As a texture, its moves as fractions of the width and height in whose pixels they are. */
function interleave({ u, v, validity }, { width, height }) {
  const moves = new Float32Array(4 * validity.length);
  for (let i = 0; i < validity.length; i++) {
    moves[4 * i] = u[i] / width;
    moves[4 * i + 1] = v[i] / height;
    moves[4 * i + 2] = validity[i];
  }
  return moves;
}
