/** Makes small pictures of frames, with the id in a strip below, and sends some of them as a stream for WebRTC. */

import { context2d } from '../basics/canvas.js';
import { MAX_FRAME_ID, STRIP_ROWS, drawStrip } from './frame_strip.js';

/** The longer side of sent pictures, in pixels. Key frames are stylized at 256, so more would only cost encoding. */
const MAX_SIDE = 640;
/** The times of this many frames are remembered: half a minute at 30 fps, far longer than an answer may take. */
const REMEMBERED_FRAMES = 1024;

export class SentPicture {
  #canvas = document.createElement('canvas');
  #context;
  #stream;
  #onSize;
  /** @type {Map<number, number>} performance.now() by frame id, oldest first */
  #takenAt = new Map();
  #nextId = 0;

  /** The picture's width without the strip, in pixels; 0 before the first frame. */
  width = 0;
  /** The picture's height without the strip, in pixels; 0 before the first frame. */
  height = 0;

  /**
   * @param {boolean} onCpu whether to scale on the CPU, which is twice as fast if there is no GPU
   * @param {(width: number, height: number) => void} onSize called before the first frame of another size is sent
   */
  constructor(onCpu, onSize) {
    this.#context = context2d(this.#canvas, { alpha: false, willReadFrequently: onCpu });
    this.#stream = this.#canvas.captureStream(0); // a picture is sent when that is asked for, and at no other time
    this.#onSize = onSize;
  }

  /** @returns {MediaStream} */
  get stream() {
    return this.#stream;
  }

  /** @returns {{source: HTMLCanvasElement, width: number, height: number}} the last picture, without the strip */
  get frame() {
    return { source: this.#canvas, width: this.width, height: this.height };
  }

  /**
   * Make a picture of a frame, and stamp it. Frames that are not sent use up an id, too.
   * @param {import('../basics/canvas.js').Frame} frame
   * @param {number} now performance.now()
   * @returns {number} the frame's id
   */
  take({ source, width, height }, now) {
    this.#fit(width, height);
    const frameId = this.#nextId;
    this.#nextId = (frameId + 1) & MAX_FRAME_ID;
    this.#context.drawImage(source, 0, 0, this.width, this.height);
    drawStrip(this.#context, frameId, this.width, this.height);
    this.#remember(frameId, now);
    return frameId;
  }

  /** Send the picture that was taken last; to be called in the same turn. */
  send() {
    /** @type {any} */
    const stream = this.#stream; // Firefox has the method here, others have it on the track
    /** @type {any} */
    const [track] = stream.getVideoTracks();
    (track.requestFrame ? track : stream).requestFrame();
  }

  /**
   * When a picture of this frame was taken.
   * @param {number} frameId
   * @returns {number|undefined} performance.now() at that moment; undefined for a frame long past or never taken
   */
  takenAt(frameId) {
    return this.#takenAt.get(frameId);
  }

  destroy() {
    this.#stream.getTracks().forEach((track) => track.stop());
  }

  /**
   * @param {number} frameWidth in pixels
   * @param {number} frameHeight in pixels
   */
  #fit(frameWidth, frameHeight) {
    const scale = Math.min(1, MAX_SIDE / Math.max(frameWidth, frameHeight));
    const [width, height] = [even(frameWidth * scale), even(frameHeight * scale)];
    if (width === this.width && height === this.height) return;
    Object.assign(this, { width, height });
    this.#onSize(width, height);
    Object.assign(this.#canvas, { width, height: height + STRIP_ROWS });
  }

  /**
   * @param {number} frameId
   * @param {number} now
   */
  #remember(frameId, now) {
    this.#takenAt.delete(frameId); // ids repeat, and an id that is set again would keep its old place in the map
    this.#takenAt.set(frameId, now);
    const [oldest] = this.#takenAt.keys();
    if (this.#takenAt.size > REMEMBERED_FRAMES) this.#takenAt.delete(oldest);
  }
}

/**
 * The nearest even length of at least 2, since video encoders need even sides.
 * @param {number} length in pixels
 * @returns {number}
 */
function even(length) {
  return Math.max(2, 2 * Math.round(length / 2));
}
