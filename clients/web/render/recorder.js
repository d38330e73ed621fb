/** Records the stylized picture as a video to download, without the divider, and in one size throughout. */

import { context2d } from '../basics/canvas.js';
import { letterbox } from './letterbox.js';

const FPS = 30;
const BITS_PER_S = 8_000_000;
/** How often the encoder hands over what it has recorded, so that a long recording is not held in one piece. */
const PART_MS = 1000;

/**
 * The types of recordings, best first. An MP4 must hold H.264, which everything plays: browsers that are asked for any
 * MP4 put VP9 in it, which many players refuse. Level 4.0 is 1080p at 30 frames a second.
 */
const TYPES = [
  'video/mp4;codecs=avc1.640028',
  'video/mp4;codecs=avc1.4D0028',
  'video/mp4;codecs=avc1.42E028',
  'video/mp4;codecs=avc1.42E01E',
  'video/webm;codecs=vp9',
  'video/webm;codecs=vp8',
  'video/webm',
];

/**
 * The best type of recording that a browser can write.
 * @param {(type: string) => boolean} isSupported as MediaRecorder.isTypeSupported
 * @returns {string|undefined} a MIME type with codecs; undefined if it can write none of them
 */
export function recordingType(isSupported) {
  return TYPES.find((type) => isSupported(type));
}

/**
 * @param {string} type a MIME type, perhaps with codecs
 * @returns {string} the file name's extension for this type
 */
export function extensionOf(type) {
  return type.split(';')[0].split('/')[1].replace('jpeg', 'jpg');
}

export class Recorder {
  #handlers;
  /** @type {MediaRecorder|null} */
  #recorder = null;
  /** @type {CanvasRenderingContext2D|null} of the canvas that is recorded */
  #context = null;

  /** @param {{onChange: (recording: boolean) => void, onTrouble: (sentence: string) => void}} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** @returns {boolean} */
  get recording() {
    return this.#recorder !== null;
  }

  /**
   * Begin a recording of this size, whatever size later pictures have; `stop` downloads the video.
   * @param {import('./letterbox.js').Size} size
   */
  start({ width, height }) {
    const type = 'MediaRecorder' in window ? recordingType((each) => MediaRecorder.isTypeSupported(each)) : undefined;
    if (!type) return this.#handlers.onTrouble('This browser cannot record video.');
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: 2 * Math.ceil(width / 2), height: 2 * Math.ceil(height / 2) }); // H.264 wants even sides
    this.#context = context2d(canvas, { alpha: false });
    this.#recorder = this.#begin(canvas.captureStream(FPS), type);
    this.#handlers.onChange(true);
  }

  /** @param {HTMLCanvasElement} picture drawn just now */
  add(picture) {
    if (!this.#context) return;
    const { canvas } = this.#context;
    const { left, top, width, height } = letterbox(picture, canvas);
    this.#context.fillRect(0, 0, canvas.width, canvas.height);
    this.#context.drawImage(picture, left, top, width, height);
  }

  stop() {
    if (!this.#recorder) return;
    const { stream } = this.#recorder;
    if (this.#recorder.state !== 'inactive') this.#recorder.stop();
    stream.getTracks().forEach((track) => track.stop());
    this.#recorder = this.#context = null;
    this.#handlers.onChange(false);
  }

  destroy() {
    this.stop();
  }

  /**
   * @param {MediaStream} stream
   * @param {string} mimeType
   * @returns {MediaRecorder}
   */
  #begin(stream, mimeType) {
    /** @type {Blob[]} */
    const parts = [];
    const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: BITS_PER_S });
    recorder.addEventListener('dataavailable', ({ data }) => parts.push(data));
    recorder.addEventListener('error', () => {
      this.#handlers.onTrouble('The recording broke off; what there is of it is saved.');
      this.stop();
    });
    recorder.addEventListener('stop', () => {
      const video = new Blob(parts, { type: recorder.mimeType || mimeType });
      if (video.size) download(video);
      else this.#handlers.onTrouble('Nothing was recorded.');
    });
    recorder.start(PART_MS);
    return recorder;
  }
}

/**
 * Let the browser save a photo or a video.
 * @param {Blob} blob
 */
export function download(blob) {
  const link = document.createElement('a');
  const moment = new Date().toISOString().slice(0, 19).replace(/[T:]/g, '-');
  link.download = `mvstylizer-${moment}.${extensionOf(blob.type)}`;
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read the blob after click() has returned
}
