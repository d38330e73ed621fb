/**
 * Knows how the newest frames moved since the key frames: remembers frames until the server has said which of them are
 * key frames, and has a worker compare those with every frame that follows. Nothing here ever waits.
 */

import { LARGEST_SIDE, fitted } from './estimator.js';
import { isNewer } from './framestamp.js';

/** A key frame is announced within a round trip; three seconds is a poor one. */
const REMEMBERED_MS = 3000;
const MAX_FRAMES = 128;
/** The one on show, two on their way, and one to spare. */
const MAX_KEYS = 4;
const LUMA = [0.299, 0.587, 0.114];

/** @typedef {import('./planes.js').Plane} Plane */

/**
 * How a frame moved since a key frame.
 * @typedef {object} Flow
 * @property {number} frameId
 * @property {number} width
 * @property {number} height
 * @property {Float32Array} moves for each pixel dx and dy, as fractions of the width and height, validity 0..1, and 0
 * @property {number} ms how long it took
 * @property {[number, number]} size width and height of the pictures that were compared
 */

export class Tracker {
  #worker;
  #small;
  #keepsPictures;
  #onFlow;
  /** @type {Map<number, {luma: Plane, picture: OffscreenCanvas|null, seenAt: number}>} oldest first */
  #frames = new Map();
  /** @type {Map<number, {picture: OffscreenCanvas|null, flow: Flow|null, turn: number}>} oldest first */
  #keys = new Map();
  #shown = null;
  #newest = null;
  #turns = 0;
  #busy = false;
  /** Whether the newest frame was compared with no key frame yet, and there are some. */
  #waiting = false;

  /** @type {Flow|null} the last one, to whichever key frame */
  #computed = null;
  #skipped = 0;
  #crowdedOut = 0;
  #lost = 0;

  /**
   * @param {boolean} onCpu whether to scale on the CPU, as SentPicture does
   * @param {import('./renderer.js').Mode} mode grid needs a smooth flow; the others need the key frames' colours too
   * @param {(frameId: number) => void} onFlow a flow of this frame is there
   */
  constructor(onCpu, mode, onFlow) {
    const canvas = document.createElement('canvas');
    this.#small = canvas.getContext('2d', { alpha: false, willReadFrequently: onCpu });
    this.#keepsPictures = mode !== 'grid';
    this.#onFlow = onFlow;
    this.#worker = new Worker('/worker.js', { type: 'module', name: mode });
    this.#worker.addEventListener('message', ({ data }) => this.#onCompared(data));
  }

  /** @returns {Flow|null} the newest one to the key frame on show */
  get flow() {
    return this.#keys.get(this.#shown)?.flow ?? null;
  }

  /**
   * @returns {{flowMs: number|null, flowSize: [number, number]|null, flowsSkipped: number, framesForgotten: number,
   *   keyFramesForgotten: number}} flowMs, flowSize: what the newest flow took, and the size of the pictures it
   *   compared; flowsSkipped: frames never compared, as the next one came while the worker was busy; framesForgotten:
   *   let go for their number before their age; keyFramesForgotten: announced when no longer remembered, or let go for
   *   their number
   */
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
   * @param {{source: CanvasImageSource, width: number, height: number}} frame its upper left part that counts
   * @param {number} now performance.now()
   */
  see(frameId, frame, now) {
    const luma = this.#lumaOf(frame);
    if (this.#newest?.luma.width !== luma.width || this.#newest.luma.height !== luma.height) this.#beginAnew();
    this.#frames.set(frameId, { luma, picture: this.#keepsPictures ? copy(frame) : null, seenAt: now });
    this.#forget(now);
    if (this.#waiting) this.#skipped += 1;
    this.#waiting = this.#keys.size > 0;
    this.#newest = { id: frameId, luma };
    this.#compare();
  }

  /** This frame became a key frame: its answer is on its way. */
  announce(frameId) {
    const frame = this.#frames.get(frameId);
    if (!frame) {
      this.#lost += 1;
      return;
    }
    this.#keys.set(frameId, { picture: frame.picture, flow: null, turn: 0 });
    this.#worker.postMessage({ add: { id: frameId, luma: frame.luma } });
    if (this.#keys.size > MAX_KEYS) {
      this.drop([...this.#keys.keys()].find((id) => id !== this.#shown));
      this.#lost += 1;
    }
    this.#compare();
  }

  /** No answer to this key frame will be shown. */
  drop(frameId) {
    if (this.#keys.delete(frameId)) this.#worker.postMessage({ remove: { id: frameId } });
  }

  /**
   * This key frame's answer is on show from now on; older ones are over.
   * @param {number} frameId
   * @returns {OffscreenCanvas|null} the key frame's picture, where pictures are kept
   */
  show(frameId) {
    this.#shown = frameId;
    for (const id of this.#keys.keys()) if (isNewer(frameId, id)) this.drop(id);
    return this.#keys.get(frameId)?.picture ?? null;
  }

  /** The answers on their way are lost. */
  dropPending() {
    for (const id of this.#keys.keys()) if (id !== this.#shown) this.drop(id);
  }

  destroy() {
    this.#worker.terminate();
  }

  /** The key frame that waited longest has its turn; a slow worker so serves all of them. */
  #compare() {
    const due = [...this.#keys].filter(([, { flow }]) => flow?.frameId !== this.#newest.id);
    if (this.#busy || !due.length) return;
    const [keyId, key] = due.reduce((first, next) => (next[1].turn < first[1].turn ? next : first));
    this.#turns += 1;
    key.turn = this.#turns;
    this.#busy = true;
    this.#waiting = false;
    this.#worker.postMessage({ frame: { ...this.#newest, keyId } });
  }

  #onCompared({ frameId, keyId, flow }) {
    this.#busy = false;
    this.#computed = { frameId, ...flow };
    const key = this.#keys.get(keyId);
    if (key) key.flow = this.#computed;
    this.#compare();
    this.#onFlow(frameId);
  }

  #forget(now) {
    for (const [id, { seenAt }] of this.#frames) {
      const isOld = now - seenAt > REMEMBERED_MS;
      if (!isOld && this.#frames.size <= MAX_FRAMES) return;
      if (!isOld) this.#crowdedOut += 1;
      this.#frames.delete(id);
    }
  }

  /** Frames of another shape cannot be compared. */
  #beginAnew() {
    this.#frames.clear();
    for (const id of this.#keys.keys()) this.drop(id);
  }

  #lumaOf({ source, width, height }) {
    const { canvas } = this.#small;
    const [smallWidth, smallHeight] = fitted(width, height, LARGEST_SIDE);
    if (canvas.width !== smallWidth || canvas.height !== smallHeight) {
      Object.assign(canvas, { width: smallWidth, height: smallHeight });
    }
    this.#small.drawImage(source, 0, 0, width, height, 0, 0, smallWidth, smallHeight);
    const { data } = this.#small.getImageData(0, 0, smallWidth, smallHeight);
    const pixels = new Uint8Array(smallWidth * smallHeight);
    for (let i = 0, at = 0; i < pixels.length; i++, at += 4) {
      pixels[i] = LUMA[0] * data[at] + LUMA[1] * data[at + 1] + LUMA[2] * data[at + 2] + 0.5;
    }
    return { width: smallWidth, height: smallHeight, pixels };
  }
}

function copy({ source, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d', { alpha: false }).drawImage(source, 0, 0);
  return canvas;
}
