/** Counts what happens, for the read-out and for tests. Times are of performance.now(), in milliseconds. */

const FPS_WINDOW_MS = 2000;

export class Stats {
  #frameTimes = [];
  #keyFrames = 0;
  #keyFrameCapturedAt = null;
  #roundTripMs = null;

  framesSent = 0;
  /** Key frames the gateway or a worker gave up. */
  dropped = 0;
  /** Answers that came too late: for another style, or older than the one on show. */
  stale = 0;
  /** Messages that did not fit the contract. */
  malformed = 0;
  reconnects = 0;

  /** A frame was drawn. */
  frame(now) {
    this.#frameTimes.push(now);
    while (now - this.#frameTimes[0] > FPS_WINDOW_MS) this.#frameTimes.shift();
  }

  /** A key frame's answer was put on show. `capturedAt` is undefined when the frame is too old to be remembered. */
  keyFrame(capturedAt, now) {
    this.#keyFrames += 1;
    this.#keyFrameCapturedAt = capturedAt ?? null;
    this.#roundTripMs = capturedAt === undefined ? null : now - capturedAt;
  }

  /**
   * @param {number} now
   * @returns {{fps: number, keyFrames: number, keyFrameAgeMs: number|null, roundTripMs: number|null,
   *   framesSent: number, dropped: number, stale: number, malformed: number, reconnects: number}}
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

  #fps(now) {
    const recent = this.#frameTimes.filter((time) => now - time <= FPS_WINDOW_MS);
    return recent.length < 2 ? 0 : (1000 * (recent.length - 1)) / (now - recent[0]);
  }
}
