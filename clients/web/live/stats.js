/** Counts what happens, for the read-out and for tests. Times are performance.now(), in milliseconds. */

const FPS_WINDOW_MS = 2000;

/**
 * @typedef {object} StatsSnapshot
 * @property {number} fps frames drawn per second
 * @property {number} keyFrames the number of key frames whose answers were shown
 * @property {number|null} keyFrameAgeMs the time since the capture of the key frame on which the present look is based
 * @property {number|null} roundTripMs the time from that capture to the key frame's answer
 * @property {number} framesSeen
 * @property {number} framesSent
 * @property {number} dropped this and the following are explained at the fields of Stats
 * @property {number} stale
 * @property {number} malformed
 * @property {number} reconnects
 */

/** @typedef {StatsSnapshot & Partial<import('../flow/tracker.js').TrackerStats>} LiveStats */

export class Stats {
  /** @type {number[]} the times of the frames drawn in the last FPS_WINDOW_MS */
  #frameTimes = [];
  #keyFrames = 0;
  /** @type {number|null} */
  #keyFrameCapturedAt = null;
  /** @type {number|null} */
  #roundTripMs = null;

  /** Frames of the source. */
  framesSeen = 0;
  /** Those of them that were sent. */
  framesSent = 0;
  /** Key frames that the gateway or a worker gave up. */
  dropped = 0;
  /** Answers that came too late: for another style, or older than the one on show. */
  stale = 0;
  /** Messages that did not fit the contract. */
  malformed = 0;
  reconnects = 0;

  /**
   * Note that a frame was drawn.
   * @param {number} now
   */
  frame(now) {
    this.#frameTimes.push(now);
    while (now - this.#frameTimes[0] > FPS_WINDOW_MS) this.#frameTimes.shift();
  }

  /**
   * Note that the answer to a key frame is on show.
   * @param {number|undefined} capturedAt undefined if the frame is too old to be remembered
   * @param {number} now
   */
  keyFrame(capturedAt, now) {
    this.#keyFrames += 1;
    this.#keyFrameCapturedAt = capturedAt ?? null;
    this.#roundTripMs = capturedAt === undefined ? null : now - capturedAt;
  }

  /**
   * @param {number} now
   * @returns {StatsSnapshot}
   */
  snapshot(now) {
    const { framesSeen, framesSent, dropped, stale, malformed, reconnects } = this;
    return {
      fps: this.#fps(now),
      keyFrames: this.#keyFrames,
      keyFrameAgeMs: this.#keyFrameCapturedAt === null ? null : now - this.#keyFrameCapturedAt,
      roundTripMs: this.#roundTripMs,
      framesSeen, framesSent, dropped, stale, malformed, reconnects,
    };
  }

  /**
   * @param {number} now
   * @returns {number}
   */
  #fps(now) {
    const recent = this.#frameTimes.filter((time) => now - time <= FPS_WINDOW_MS);
    return recent.length < 2 ? 0 : (1000 * (recent.length - 1)) / (now - recent[0]);
  }
}
