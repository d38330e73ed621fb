/** Counts what happens, for the read-out and for tests. Times are those of performance.now(), in milliseconds. */

const FPS_WINDOW_MS = 2000;

/**
 * @typedef {object} StatsSnapshot
 * @property {number} fps frames drawn per second
 * @property {number} keyFrames whose answers were shown
 * @property {number|null} keyFrameAgeMs since the frame on which the present look is based was captured
 * @property {number|null} roundTripMs from that frame's capture to its answer
 * @property {number} framesSent
 * @property {number} dropped see Stats, as the rest
 * @property {number} stale
 * @property {number} malformed
 * @property {number} reconnects
 */

export class Stats {
  /** @type {number[]} of the frames drawn in the last FPS_WINDOW_MS */
  #frameTimes = [];
  #keyFrames = 0;
  /** @type {number|null} */
  #keyFrameCapturedAt = null;
  /** @type {number|null} */
  #roundTripMs = null;

  framesSent = 0;
  /** Key frames the gateway or a worker gave up. */
  dropped = 0;
  /** Answers that came too late: for another style, or older than the one on show. */
  stale = 0;
  /** Messages that did not fit the contract. */
  malformed = 0;
  reconnects = 0;

  /**
   * A frame was drawn.
   * @param {number} now
   */
  frame(now) {
    this.#frameTimes.push(now);
    while (now - this.#frameTimes[0] > FPS_WINDOW_MS) this.#frameTimes.shift();
  }

  /**
   * The answer to a key frame is on show.
   * @param {number|undefined} capturedAt undefined when the frame is too old to be remembered
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
    const { framesSent, dropped, stale, malformed, reconnects } = this;
    return {
      fps: this.#fps(now),
      keyFrames: this.#keyFrames,
      keyFrameAgeMs: this.#keyFrameCapturedAt === null ? null : now - this.#keyFrameCapturedAt,
      roundTripMs: this.#roundTripMs,
      framesSent, dropped, stale, malformed, reconnects,
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
