/**
 * Gives the flow from the newest frame to the key frames. It remembers frames until the gateway has announced which of
 * them are key frames, and lets a worker compare those with the frames that follow. No call here ever waits.
 */

import { moduleWorker } from '../basics/module_worker.js';
import { isNewer } from '../capture/frame_strip.js';

/** Frames are remembered for this long: a key frame is announced within a round trip, even on a very bad network. */
const REMEMBERED_MS = 3000;
const MAX_FRAMES = 128;
/** The key frame on show, two whose answers are on their way, and one to spare. */
const MAX_KEY_FRAMES = 4;
/** Weights of red, green and blue. */
const LUMA = [0.299, 0.587, 0.114];

/** @typedef {import('./planes.js').Plane} Plane */
/** @typedef {import('../basics/canvas.js').Frame} Frame */

/**
 * The flow from a frame to a key frame.
 * @typedef {object} Flow
 * @property {number} frameId
 * @property {number} width
 * @property {number} height
 * @property {Float32Array<ArrayBuffer>} normalizedFlow for each pixel dx and dy as fractions of the width and height,
 *   validity 0..1, and 0
 * @property {number} ms how long it took
 * @property {[number, number]} size width and height of the pictures that were compared
 */

/**
 * @typedef {object} TrackerStats
 * @property {number|null} flowMs how long the newest flow took
 * @property {[number, number]|null} flowSize width and height of the pictures it compared
 * @property {number} flowsSkipped frames never compared, because the next one came while the worker was busy
 * @property {number} framesForgotten frames dropped early, because there were too many
 * @property {number} keyFramesForgotten key frames announced when no longer remembered, or dropped because there were
 *   too many
 */

/**
 * A request to the worker: to add a key frame, to remove one, or to compare a frame with the key frame `keyId`.
 * @typedef {object} ToWorker
 * @property {{id: number, luma: Plane}} [add]
 * @property {{id: number}} [remove]
 * @property {{id: number, luma: Plane, keyId: number}} [frame]
 */

/** @typedef {{frameId: number, keyId: number, flow: Omit<Flow, 'frameId'>}} FromWorker the answer to `frame` */

/**
 * A frame that may become a key frame.
 * @typedef {object} SeenFrame
 * @property {Plane} luma 0..255, small
 * @property {OffscreenCanvas|null} picture null if pictures are not kept
 * @property {number} seenAt performance.now()
 */

/**
 * @typedef {object} KeyFrame
 * @property {OffscreenCanvas|null} picture
 * @property {Flow|null} flow the newest flow to it
 * @property {number} turn the number of the comparison in which it was compared last
 */

export class Tracker {
  #worker;
  #keepsPictures;
  #onFlow;
  /** @type {Map<number, SeenFrame>} by frame id, oldest first */
  #frames = new Map();
  /** @type {Map<number, KeyFrame>} by frame id, oldest first */
  #keys = new Map();
  /** @type {number|null} the id of the key frame on show */
  #shown = null;
  /** @type {{id: number, luma: Plane}|null} */
  #newest = null;
  /** How many comparisons were begun. */
  #turns = 0;
  /** Whether the worker is comparing. */
  #busy = false;
  /** Whether there are key frames, and the newest frame has been compared with none of them. */
  #waiting = false;

  /** @type {Flow|null} the last flow that was computed, to whichever key frame */
  #computed = null;
  #skipped = 0;
  #crowdedOut = 0;
  #lost = 0;

  /**
   * @param {boolean} forGrid whether grids are sampled along the flow, which must then be smooth; if not, the key
   *   frames' pictures are kept
   * @param {(frameId: number) => void} onFlow called when there is a new flow from this frame
   */
  constructor(forGrid, onFlow) {
    this.#keepsPictures = !forGrid;
    this.#onFlow = onFlow;
    this.#worker = moduleWorker(new URL('./worker.js', import.meta.url), forGrid ? 'grid' : 'pixels');
    this.#worker.addEventListener('message', ({ data }) => this.#onCompared(data));
  }

  /** @returns {Flow|null} the newest flow to the key frame on show */
  get flow() {
    return this.#shown === null ? null : this.#keys.get(this.#shown)?.flow ?? null;
  }

  /** @returns {TrackerStats} */
  get stats() {
    const { ms: flowMs = null, size: flowSize = null } = this.#computed ?? {};
    return {
      flowMs, flowSize,
      flowsSkipped: this.#skipped, framesForgotten: this.#crowdedOut, keyFramesForgotten: this.#lost,
    };
  }

  /**
   * Remember a frame, and compare it with the key frames.
   * @param {number} frameId
   * @param {Frame} frame
   * @param {import('../basics/canvas.js').Pixels} small the frame's, as SmallFrame reads them
   * @param {number} now performance.now()
   */
  see(frameId, frame, small, now) {
    const luma = lumaOf(small);
    if (this.#newest?.luma.width !== luma.width || this.#newest.luma.height !== luma.height) this.#forgetAll();
    this.#frames.set(frameId, { luma, picture: this.#keepsPictures ? copy(frame) : null, seenAt: now });
    this.#forget(now);
    if (this.#waiting) this.#skipped += 1;
    this.#waiting = this.#keys.size > 0;
    this.#newest = { id: frameId, luma };
    this.#compare();
  }

  /**
   * Note that this frame became a key frame, whose answer is on its way.
   * @param {number} frameId
   */
  announce(frameId) {
    const frame = this.#frames.get(frameId);
    if (!frame) {
      this.#lost += 1;
      return;
    }
    this.#keys.set(frameId, { picture: frame.picture, flow: null, turn: 0 });
    this.#tell({ add: { id: frameId, luma: frame.luma } });
    if (this.#keys.size > MAX_KEY_FRAMES) {
      const [oldest] = [...this.#keys.keys()].filter((id) => id !== this.#shown);
      this.drop(oldest);
      this.#lost += 1;
    }
    this.#compare();
  }

  /**
   * Forget a key frame whose answer will not be shown.
   * @param {number} frameId
   */
  drop(frameId) {
    if (this.#keys.delete(frameId)) this.#tell({ remove: { id: frameId } });
  }

  /**
   * Note that this key frame's answer is on show from now on, and forget older key frames.
   * @param {number} frameId
   * @returns {OffscreenCanvas|null} the key frame's picture, if pictures are kept
   */
  show(frameId) {
    this.#shown = frameId;
    for (const id of this.#keys.keys()) if (isNewer(frameId, id)) this.drop(id);
    return this.#keys.get(frameId)?.picture ?? null;
  }

  /** Forget the key frames whose answers are on their way, because they will never arrive. */
  dropPending() {
    for (const id of this.#keys.keys()) if (id !== this.#shown) this.drop(id);
  }

  destroy() {
    this.#worker.terminate();
  }

  /** @param {ToWorker} message */
  #tell(message) {
    this.#worker.postMessage(message);
  }

  /** Compare the newest frame with the key frame that has waited longest, so that a slow worker serves all of them. */
  #compare() {
    const newest = this.#newest;
    if (this.#busy || !newest) return;
    const due = [...this.#keys].filter(([, { flow }]) => flow?.frameId !== newest.id);
    if (!due.length) return;
    const [keyId, key] = due.reduce((first, next) => (next[1].turn < first[1].turn ? next : first));
    this.#turns += 1;
    key.turn = this.#turns;
    this.#busy = true;
    this.#waiting = false;
    this.#tell({ frame: { ...newest, keyId } });
  }

  /** @param {FromWorker} answer */
  #onCompared({ frameId, keyId, flow }) {
    this.#busy = false;
    this.#computed = { frameId, ...flow };
    const key = this.#keys.get(keyId);
    if (key) key.flow = this.#computed;
    this.#compare();
    this.#onFlow(frameId);
  }

  /**
   * Forget frames that are too old, or too many.
   * @param {number} now
   */
  #forget(now) {
    for (const [id, { seenAt }] of this.#frames) {
      const isOld = now - seenAt > REMEMBERED_MS;
      if (!isOld && this.#frames.size <= MAX_FRAMES) return;
      if (!isOld) this.#crowdedOut += 1;
      this.#frames.delete(id);
    }
  }

  /** Forget all frames and key frames, because frames of different sizes cannot be compared. */
  #forgetAll() {
    this.#frames.clear();
    for (const id of this.#keys.keys()) this.drop(id);
  }
}

/**
 * @param {import('../basics/canvas.js').Pixels} pixels
 * @returns {Plane} their luma, 0..255
 */
function lumaOf({ data, width, height }) {
  const pixels = new Uint8Array(width * height);
  for (let i = 0, at = 0; i < pixels.length; i++, at += 4) {
    pixels[i] = LUMA[0] * data[at] + LUMA[1] * data[at + 1] + LUMA[2] * data[at + 2] + 0.5;
  }
  return { width, height, pixels };
}

/**
 * @param {Frame} frame
 * @returns {OffscreenCanvas}
 */
function copy({ source, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d', { alpha: false })?.drawImage(source, 0, 0);
  return canvas;
}
