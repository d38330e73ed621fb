/** Records what is on a canvas as a video, to be downloaded. */

const FPS = 30;
/** The first one that this browser can write. */
const TYPES = ['video/mp4', 'video/webm'];

export class Recorder {
  #canvas;
  #onChange;
  /** @type {MediaRecorder|null} */
  #recorder = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(recording: boolean) => void} onChange
   */
  constructor(canvas, onChange) {
    this.#canvas = canvas;
    this.#onChange = onChange;
  }

  /** @returns {boolean} whether this browser can record */
  static get supported() {
    return 'MediaRecorder' in window;
  }

  /** Begin; the video is downloaded at `stop`. */
  start() {
    /** @type {Blob[]} */
    const parts = [];
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const recorder = new MediaRecorder(this.#canvas.captureStream(FPS), { mimeType, videoBitsPerSecond: 8_000_000 });
    recorder.addEventListener('dataavailable', ({ data }) => parts.push(data));
    recorder.addEventListener('stop', () => download(new Blob(parts, { type: mimeType })));
    recorder.start(1000);
    this.#recorder = recorder;
    this.#onChange(true);
  }

  stop() {
    this.#recorder?.stop();
    this.#recorder?.stream.getTracks().forEach((track) => track.stop());
    this.#recorder = null;
    this.#onChange(false);
  }

  toggle() {
    if (this.#recorder) this.stop();
    else this.start();
  }

  destroy() {
    if (this.#recorder) this.stop();
  }
}

/**
 * Let the browser save a photo or a video.
 * @param {Blob} blob
 */
export function download(blob) {
  const link = document.createElement('a');
  const moment = new Date().toISOString().slice(0, 19).replace(/[T:]/g, '-');
  link.download = `mvstylizer-${moment}.${blob.type.split('/')[1].replace('jpeg', 'jpg')}`;
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read the blob after click() has returned
}
