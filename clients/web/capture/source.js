/** Plays a camera or a video file in a hidden <video>, or holds a photo, and gives its pictures frame by frame. */

import { Trouble } from './trouble.js';

/** @typedef {import('../basics/canvas.js').Frame} Frame */
/** @typedef {import('./media.js').Media} Media */

/** How often to check whether the last frame is done: four times per refresh of a display. */
const RETRY_MS = 4;
/** How often a still picture of a file is sent again, because a server that hears nothing hangs up. */
const STILL_MS = 1000;
/** How often a photo is drawn again, so that its look fades in and follows the slider. */
const PHOTO_MS = 100;

/**
 * @typedef {object} SourceHandlers
 * @property {() => boolean} isBusy whether the last frame is still being drawn
 * @property {(frame: Frame) => void} onFrame there is a new frame; called only while not busy
 * @property {(trouble: Trouble) => void} onEnded the camera was taken away, or the file broke
 */

export class VideoSource {
  #video;
  #isBusy;
  #onFrame;
  #onEnded;
  /** The handle of the callback at the next frame. */
  #request = 0;
  /** The timeout after which to look for a frame without being told of one. */
  #retry = 0;
  /** @type {WakeLockSentinel|null} */
  #wakeLock = null;
  /** @type {Media|null} */
  #media = null;

  /** Whether a source plays: it has given its first picture, and has not been stopped. */
  playing = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {SourceHandlers} handlers
   */
  constructor(video, { isBusy, onFrame, onEnded }) {
    this.#video = video;
    this.#isBusy = isBusy;
    this.#onFrame = onFrame;
    this.#onEnded = onEnded;
    video.addEventListener('error', this.#onError);
  }

  /** @returns {Media|null} the source that plays or is about to play */
  get media() {
    return this.#media;
  }

  /** @returns {boolean} whether users see themselves, and expect a mirror */
  get mirrored() {
    return this.#media?.stream != null && this.#media.facing !== 'environment';
  }

  /**
   * The sound of the video file that plays, to be recorded: nobody hears it, since the video is muted.
   * @returns {MediaStreamTrack|null} null if it has none, or if the browser does not hand it out, as Safari
   */
  get sound() {
    const video = /** @type {HTMLVideoElement & {captureStream?: () => MediaStream}} */ (this.#video);
    return (this.#media?.url && video.captureStream?.().getAudioTracks()[0]) || null;
  }

  /**
   * Play this instead of the present source; a file is played in a loop. The media is closed when it is stopped.
   * @param {Media} media
   * @throws {DOMException} when the browser does not let it play
   */
  async play(media) {
    this.stop();
    this.#media = media;
    if (media.stream) this.#video.srcObject = media.stream;
    else if (media.url) this.#video.src = media.url;
    media.stream?.getVideoTracks()[0].addEventListener('ended', this.#onGone);
    if (!media.photo) await this.#video.play();
    if (this.#media !== media) return; // it was stopped meanwhile
    this.playing = true;
    this.#step(); // the first frame may be there already
    document.addEventListener('visibilitychange', this.#onVisible);
    this.#stayAwake();
  }

  stop() {
    this.#cancel();
    document.removeEventListener('visibilitychange', this.#onVisible);
    this.#wakeLock?.release();
    this.#wakeLock = null;
    this.#media?.stream?.getVideoTracks()[0].removeEventListener('ended', this.#onGone);
    this.#media?.close();
    this.#media = null;
    this.playing = false;
    this.#video.srcObject = null;
    this.#video.removeAttribute('src');
  }

  destroy() {
    this.#video.removeEventListener('error', this.#onError);
    this.stop();
  }

  #onGone = () => {
    this.#onEnded(new Trouble('The camera went away',
      'It was unplugged, or another app took it. It is used again as soon as it is back; or try another one.'));
  };

  #onError = () => {
    if (!this.#media) return; // it was stopped
    this.#onEnded(new Trouble('This video broke off', 'The browser can read the file no further. Try another one.'));
  };

  /** A phone pauses the video of a page in the background, and ends its wake lock. */
  #onVisible = async () => {
    if (document.hidden) return;
    if (!this.#media?.photo) await this.#video.play().catch(() => {}); // it was stopped meanwhile
    this.#stayAwake();
  };

  /** Keep the screen on: nobody touches a phone that is used as a camera, and it would switch its screen off. */
  async #stayAwake() {
    const { wakeLock } = navigator; // only secure pages have it: see ui/limits.js
    const media = this.#media;
    const lock = await wakeLock?.request('screen').catch(() => null) ?? null;
    if (this.#media === media) this.#wakeLock = lock;
    else lock?.release();
  }

  #next() {
    this.#request = this.#video.requestVideoFrameCallback
      ? this.#video.requestVideoFrameCallback(this.#step)
      : requestAnimationFrame(this.#step);
  }

  #step = () => {
    if (!this.#media?.photo) this.#next();
    this.#give();
  };

  /** Give the newest frame once the last one is drawn: a frame that had waited meanwhile would be old. */
  #give = () => {
    clearTimeout(this.#retry);
    const isBusy = this.#isBusy();
    const frame = this.#frame();
    if (frame.width > 0 && !document.hidden && !isBusy) this.#onFrame(frame);
    const waitMs = this.#media?.photo ? PHOTO_MS : STILL_MS;
    if (isBusy || this.#media?.url || this.#media?.photo) this.#retry = setTimeout(this.#give, isBusy ? RETRY_MS : waitMs);
  };

  /** @returns {Frame} the picture at present, whose width is 0 if there is none yet */
  #frame() {
    const shown = this.#media?.photo?.shown;
    if (shown) return { source: shown, width: shown.width, height: shown.height };
    return { source: this.#video, width: this.#video.videoWidth, height: this.#video.videoHeight };
  }

  #cancel() {
    clearTimeout(this.#retry);
    if (this.#video.cancelVideoFrameCallback) this.#video.cancelVideoFrameCallback(this.#request);
    else cancelAnimationFrame(this.#request);
  }
}
