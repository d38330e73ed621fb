/** The picture that is sent: the frame scaled down, its id in a strip below, as a stream for WebRTC. */

import { FRAME_IDS, STRIP_ROWS, drawStamp } from './framestamp.js';

/** Key frames are stylized at 256 px, so more would only cost encoding. */
const MAX_SIDE = 640;
/** Half a minute at 30 fps: far longer than a key frame's answer may take. */
const REMEMBERED_FRAMES = 1024;

export class SentPicture {
  #canvas = document.createElement('canvas');
  #context;
  #stream;
  #onSize;
  #sentAt = new Map();
  #nextId = 0;

  /** Of the picture without the strip, in pixels; zero before the first frame. */
  width = 0;
  height = 0;

  /**
   * @param {boolean} onCpu whether to scale on the CPU: where it also does the GPU's work, that is twice as fast
   * @param {(width: number, height: number) => void} onSize called before the first frame of another size is sent
   */
  constructor(onCpu, onSize) {
    this.#context = this.#canvas.getContext('2d', { alpha: false, willReadFrequently: onCpu });
    this.#stream = this.#canvas.captureStream();
    this.#onSize = onSize;
  }

  /** @returns {MediaStream} */
  get stream() {
    return this.#stream;
  }

  /** @returns {{source: HTMLCanvasElement, width: number, height: number}} the last frame sent: all above the strip */
  get frame() {
    return { source: this.#canvas, width: this.width, height: this.height };
  }

  /**
   * Stamp and send the video's current frame.
   * @param {HTMLVideoElement} video
   * @param {number} now performance.now()
   * @returns {number} the frame's id
   */
  send(video, now) {
    this.#fit(video.videoWidth, video.videoHeight);
    const frameId = this.#nextId;
    this.#nextId = (frameId + 1) % FRAME_IDS;
    this.#context.drawImage(video, 0, 0, this.width, this.height);
    drawStamp(this.#context, frameId, this.width, this.height);
    this.#remember(frameId, now);
    return frameId;
  }

  /**
   * When a frame was sent.
   * @param {number} frameId
   * @returns {number|undefined} performance.now() of that moment; undefined for a frame long past or never sent
   */
  sentAt(frameId) {
    return this.#sentAt.get(frameId);
  }

  destroy() {
    this.#stream.getTracks().forEach((track) => track.stop());
  }

  #fit(videoWidth, videoHeight) {
    const scale = Math.min(1, MAX_SIDE / Math.max(videoWidth, videoHeight));
    const [width, height] = [even(videoWidth * scale), even(videoHeight * scale)];
    if (width === this.width && height === this.height) return;
    Object.assign(this, { width, height });
    this.#onSize(width, height);
    Object.assign(this.#canvas, { width, height: height + STRIP_ROWS });
  }

  #remember(frameId, now) {
    this.#sentAt.delete(frameId); // an id comes round again: it must count as the newest
    this.#sentAt.set(frameId, now);
    if (this.#sentAt.size > REMEMBERED_FRAMES) this.#sentAt.delete(this.#sentAt.keys().next().value);
  }
}

/** Video encoders want even sides. */
function even(length) {
  return Math.max(2, 2 * Math.round(length / 2));
}
