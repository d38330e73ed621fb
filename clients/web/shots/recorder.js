/** Records the stylized picture, with sound if there is some: without the divider, and in one size throughout. */

import { context2d } from '../basics/canvas.js';
import { bitsPerS, recordingSize, recordingType } from './format.js';
import { letterbox } from './letterbox.js';
import { withDuration } from './webm_duration.js';

const FPS = 30;
/** How often the encoder hands over what it has recorded, so that a long recording is not held in one piece. */
const PART_MS = 1000;
/** A recording ends when it has this many bytes, since it is kept in memory until it is saved; that is 8 min of 1080p. */
export const MAX_BYTES = 500_000_000;
const [CANNOT, FULL, BROKE] = [
  'This browser cannot record video.',
  'The recording has reached 500 MB, which is as long as one can be, and has ended.',
  'The recording broke off. What there is of it is kept.',
];

/**
 * @typedef {object} Recording
 * @property {Blob} blob
 * @property {number} ms how long it is, in milliseconds
 * @property {HTMLCanvasElement} picture its last one
 */

/**
 * @typedef {object} RecorderHandlers
 * @property {(recording: Recording|null) => void} onEnd null if nothing was recorded
 * @property {(sentence: string) => void} onTrouble something that the user did not want; `onEnd` follows
 */

export class Recorder {
  #handlers;
  /** @type {MediaRecorder|null} */
  #recorder = null;
  /** @type {CanvasRenderingContext2D|null} of the canvas that is recorded */
  #context = null;
  /** When recording began or went on, performance.now(); and how many milliseconds were recorded before that. */
  #sinceMs = 0;
  #beforeMs = 0;

  /** @param {RecorderHandlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** @returns {boolean} */
  get recording() {
    return this.#recorder !== null;
  }

  /** @returns {number} how long the recording is by now, in milliseconds */
  get ms() {
    return this.#recorder?.state === 'recording' ? this.#beforeMs + performance.now() - this.#sinceMs : this.#beforeMs;
  }

  /**
   * Begin a recording in the shape of this picture, whatever shape later pictures have.
   * @param {import('./letterbox.js').Size} picture
   * @param {MediaStreamTrack|null} sound it is stopped with the recording
   */
  start(picture, sound) {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, recordingSize(picture));
    const context = context2d(canvas, { alpha: false });
    const stream = canvas.captureStream(FPS);
    if (sound) stream.addTrack(sound);
    try {
      this.#recorder = this.#begin(stream, canvas);
    } catch {
      stream.getTracks().forEach((track) => track.stop());
      this.#handlers.onTrouble(CANNOT);
      return this.#handlers.onEnd(null);
    }
    this.#context = context;
    [this.#beforeMs, this.#sinceMs] = [0, performance.now()];
  }

  /** @param {HTMLCanvasElement} picture drawn just now */
  add(picture) {
    if (!this.#context) return;
    const { canvas } = this.#context;
    const { left, top, width, height } = letterbox(picture, canvas);
    this.#context.fillRect(0, 0, canvas.width, canvas.height);
    this.#context.drawImage(picture, left, top, width, height);
  }

  /** Leave out what happens until `resume`. */
  pause() {
    this.#beforeMs = this.ms;
    if (this.#recorder?.state === 'recording') this.#recorder.pause();
  }

  resume() {
    this.#sinceMs = performance.now();
    if (this.#recorder?.state === 'paused') this.#recorder.resume();
  }

  stop() {
    if (!this.#recorder) return;
    this.#beforeMs = this.ms;
    const recorder = this.#recorder;
    this.#recorder = this.#context = null;
    if (recorder.state !== 'inactive') recorder.stop();
    recorder.stream.getTracks().forEach((track) => track.stop());
  }

  /**
   * @param {MediaStream} stream
   * @param {HTMLCanvasElement} picture
   * @returns {MediaRecorder}
   * @throws {Error} if the browser cannot record it
   */
  #begin(stream, picture) {
    const hasSound = stream.getAudioTracks().length > 0;
    const mimeType = recordingType((type) => MediaRecorder.isTypeSupported(type), hasSound);
    if (!mimeType) throw new Error(CANNOT);
    const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: bitsPerS(picture) });
    /** @type {Blob[]} which browsers keep on disk if they are many */
    const parts = [];
    let bytes = 0;
    recorder.addEventListener('dataavailable', ({ data }) => {
      parts.push(data);
      bytes += data.size;
      if (bytes >= MAX_BYTES && this.#recorder === recorder) this.#endEarly(FULL);
    });
    recorder.addEventListener('error', () => this.#endEarly(BROKE));
    recorder.addEventListener('stop', async () => {
      this.stop(); // a browser may end it, too
      const ms = this.#beforeMs;
      const blob = await withDuration(new Blob(parts, { type: recorder.mimeType || mimeType }), ms);
      if (!bytes) this.#handlers.onTrouble('Nothing was recorded.');
      this.#handlers.onEnd(bytes ? { blob, ms, picture } : null);
    });
    recorder.start(PART_MS);
    return recorder;
  }

  /** @param {string} sentence */
  #endEarly(sentence) {
    this.#handlers.onTrouble(sentence);
    this.stop();
  }
}
