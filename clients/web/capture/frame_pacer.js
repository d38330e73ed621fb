/**
 * Decides which of a camera's frames are sent: as many as the gateway wants, and at once those that it asks for or that
 * begin another scene. The twin of clients/net/frame_pacer.py.
 */

/** Scene cuts that are sent whatever the pace come at least this far apart: a flickering light makes more of them. */
export const LEAST_CUT_GAP_MS = 200;
/**
 * So many frames after a cut are sent, too. The gateway may have picked a key frame just before the cut, and takes the
 * next one a moment later, which is then at most this many frames late.
 */
const FRAMES_AFTER_CUT = 2;
/** What a video may take of the uplink, in bits a second: so much at any pace, and more for each frame a second. */
const [BITS_PER_S, BITS_PER_FRAME] = [250_000, 20_000];
/** From this pace on the browser's own estimate of the path is the only limit. */
const MANY_FPS = 15;

/** @typedef {'pace'|'asked'|'cut'} Cause why a frame is sent */

export class FramePacer {
  /** @type {number|null} frames a second; null if all are sent */
  fps = null;
  /** So many frames are sent next, whatever the pace. */
  #asked = 0;
  #isCut = false;
  /** @type {number|null} the time of the camera's last frame */
  #seenMs = null;
  /** Where the last sent frame stands among evenly spaced ones. */
  #placeMs = -Infinity;
  #cutMs = -Infinity;

  /** @returns {number|null} how much the video may take of the uplink, in bits a second; null if it may take all */
  get maxBitsPerS() {
    return this.fps === null || this.fps >= MANY_FPS ? null : Math.round(BITS_PER_S + BITS_PER_FRAME * this.fps);
  }

  /** Forget what a gateway wanted, because another one may be there now. It gets all frames until it says more. */
  begin() {
    this.fps = null;
    this.#asked = 0;
  }

  /**
   * Note how many frames the gateway wants, or that it wants the next one; other messages change nothing.
   * @param {{type: string, fps?: unknown}} message a control message of the gateway
   */
  obey({ type, fps }) {
    if (type === 'pace') this.fps = Number(fps);
    if (type === 'frame') this.#asked = Math.max(1, this.#asked);
  }

  /**
   * Why this frame is sent. To be called once for each frame of the camera.
   * @param {number} atMs the camera's time
   * @param {boolean} isCut whether the frame begins another scene; where scenes change too fast, a later one is sent
   * @returns {Cause|null} null if the frame is left out
   */
  cause(atMs, isCut) {
    const gapMs = this.#seenMs === null ? 0 : atMs - this.#seenMs;
    this.#seenMs = atMs;
    this.#isCut ||= isCut;
    const cause = this.#cause(atMs, gapMs);
    if (cause !== null) {
      this.#placeMs = this.#place(cause, atMs);
      this.#asked = Math.max(0, this.#asked - 1);
    }
    if (cause === 'cut') {
      this.#cutMs = atMs;
      this.#isCut = false;
      this.#asked = FRAMES_AFTER_CUT;
    }
    return cause;
  }

  /**
   * @param {number} atMs
   * @param {number} gapMs since the frame before
   * @returns {Cause|null}
   */
  #cause(atMs, gapMs) {
    if (this.#isCut && atMs - this.#cutMs >= LEAST_CUT_GAP_MS) return 'cut';
    if (this.#asked > 0) return 'asked';
    const isNearest = this.fps === null || atMs + gapMs / 2 >= this.#dueMs(this.fps); // the next one is farther away
    return isNearest ? 'pace' : null;
  }

  /**
   * A sent frame's even place, unless it was sent out of turn, or the camera paused for longer than that.
   * @param {Cause} cause
   * @param {number} atMs
   * @returns {number}
   */
  #place(cause, atMs) {
    if (this.fps === null || cause !== 'pace' || atMs - this.#dueMs(this.fps) > 1000 / this.fps) return atMs;
    return this.#dueMs(this.fps);
  }

  /** @param {number} fps */
  #dueMs(fps) {
    return this.#placeMs + 1000 / fps;
  }
}
