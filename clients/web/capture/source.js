/** Where the picture comes from: a camera or a video file, played in a hidden <video>, frame by frame. */

import { Trouble, cameraTrouble } from '../ui/trouble.js';

/** How often to check whether the last frame is done: four times per refresh of a display. */
const RETRY_MS = 4;

/** @typedef {'user'|'environment'} Facing the front or the back camera */

/**
 * @typedef {object} SourceHandlers
 * @property {() => boolean} isBusy whether the frame given last is not done yet
 * @property {(video: HTMLVideoElement) => void} onFrame there is a new frame; called only while not busy
 * @property {() => void} onEnded the camera was taken away
 */

export class VideoSource {
  #video;
  #isBusy;
  #onFrame;
  #onEnded;
  /** Of the callback at the next frame. */
  #request = 0;
  /** A timeout: when to check again whether the last frame is done. */
  #retry = 0;
  /** @type {WakeLockSentinel|null} */
  #wakeLock = null;
  /** @type {MediaStream|null} the camera's */
  #stream = null;
  /** @type {string|null} an object URL */
  #fileUrl = null;
  /** @type {Facing} */
  #facing = 'user';

  /**
   * @param {HTMLVideoElement} video
   * @param {SourceHandlers} handlers
   */
  constructor(video, { isBusy, onFrame, onEnded }) {
    this.#video = video;
    this.#isBusy = isBusy;
    this.#onFrame = onFrame;
    this.#onEnded = onEnded;
  }

  /** @returns {Facing} the camera in use, or the one used last */
  get facing() {
    return this.#facing;
  }

  /** @returns {boolean} whether users see themselves, and expect a mirror */
  get mirrored() {
    return !this.#fileUrl && this.#facing === 'user';
  }

  /**
   * Show the camera; asks for permission the first time.
   * @param {Facing} facing
   * @throws {Trouble}
   */
  async startCamera(facing) {
    this.stop(); // a phone does not open its second camera while the first is on
    if (!navigator.mediaDevices) throw cameraTrouble(new Error('no mediaDevices'));
    const video = { facingMode: facing, width: { ideal: 1920 }, height: { ideal: 1080 }, frameRate: { ideal: 30 } };
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video });
    } catch (error) {
      throw cameraTrouble(/** @type {DOMException} */ (error));
    }
    this.#video.srcObject = this.#stream;
    const [track] = this.#stream.getVideoTracks();
    track.addEventListener('ended', this.#onEnded);
    this.#facing = (track.getSettings().facingMode ?? 'user') === 'user' ? 'user' : 'environment';
    await this.#play();
  }

  /**
   * Play a video file, over and over.
   * @param {File} file
   * @throws {Trouble}
   */
  async startFile(file) {
    this.stop();
    this.#fileUrl = URL.createObjectURL(file);
    this.#video.src = this.#fileUrl;
    try {
      await this.#play();
    } catch {
      throw new Trouble('This video does not play here', 'The browser cannot read the file. Try an MP4 or WebM video.');
    }
  }

  /** @returns {Promise<boolean>} whether there is another camera to switch to */
  static async hasSecondCamera() {
    const devices = await navigator.mediaDevices?.enumerateDevices() ?? [];
    return devices.filter((device) => device.kind === 'videoinput').length > 1;
  }

  stop() {
    this.#cancel();
    document.removeEventListener('visibilitychange', this.#onVisible);
    this.#wakeLock?.release();
    this.#wakeLock = null;
    this.#stream?.getTracks().forEach((track) => {
      track.removeEventListener('ended', this.#onEnded);
      track.stop();
    });
    this.#video.srcObject = this.#stream = null;
    this.#video.removeAttribute('src');
    if (this.#fileUrl) URL.revokeObjectURL(this.#fileUrl);
    this.#fileUrl = null;
  }

  destroy() {
    this.stop();
  }

  async #play() {
    await this.#video.play();
    this.#next();
    document.addEventListener('visibilitychange', this.#onVisible);
    this.#stayAwake();
  }

  /** A phone pauses the video of a page in the background, and ends its wake lock. */
  #onVisible = async () => {
    if (document.hidden) return;
    await this.#video.play();
    this.#stayAwake();
  };

  /** A phone that is used as a camera is not touched, and would switch its screen off. */
  async #stayAwake() {
    this.#wakeLock = await navigator.wakeLock?.request('screen').catch(() => null) ?? null;
  }

  #next() {
    this.#request = this.#video.requestVideoFrameCallback
      ? this.#video.requestVideoFrameCallback(this.#step)
      : requestAnimationFrame(this.#step);
  }

  #step = () => {
    this.#next();
    this.#give();
  };

  /** Wait until the last frame is done, and then give the newest one: a frame that had waited would be old. */
  #give = () => {
    clearTimeout(this.#retry);
    if (!this.#video.videoWidth) return;
    if (this.#isBusy()) this.#retry = setTimeout(this.#give, RETRY_MS);
    else this.#onFrame(this.#video);
  };

  #cancel() {
    clearTimeout(this.#retry);
    if (this.#video.cancelVideoFrameCallback) this.#video.cancelVideoFrameCallback(this.#request);
    else cancelAnimationFrame(this.#request);
  }
}
