/** Decides when to ask for previews of the looks on one's own picture. The time comes from the caller. */

import { hasChanged } from '../capture/scene_cut.js';

/** How often the picture is compared with the one that the previews show. */
const COMPARE_MS = 1000;

/** @typedef {import('../capture/scene_cut.js').Thumbnail} Thumbnail */

/**
 * @typedef {object} PreviewFacts
 * @property {Thumbnail} thumbnail of the newest frame
 * @property {string[]} styles the ids of the looks in the gallery
 * @property {boolean} isCalm whether the look on show is fresh, and the server is not busy
 */

export class PreviewSchedule {
  /** @type {number|null} how often the server takes a request; null if it takes none */
  #intervalMs = null;
  #askedAt = -Infinity;
  #comparedAt = -Infinity;
  /** @type {{thumbnail: Thumbnail, styles: Set<string>}|null} what the last request was for; null if none was answered */
  #shown = null;
  /** @type {{thumbnail: Thumbnail, styles: Set<string>}|null} the request that waits for its answer */
  #asked = null;

  /** @param {number|null} intervalMs how often the server that is connected now takes a request; null if it takes none */
  connected(intervalMs) {
    this.#intervalMs = intervalMs;
  }

  /** Forget what is shown: another camera or video begins. */
  restart() {
    this.#shown = this.#asked = null;
  }

  /** Note that the request was answered. */
  answered() {
    this.#shown = this.#asked ?? this.#shown;
  }

  /**
   * Whether to ask now: the picture or the looks are new, or the picture has changed much since the last answer.
   * @param {PreviewFacts} facts
   * @param {number} now
   * @returns {boolean}
   */
  isDue({ thumbnail, styles, isCalm }, now) {
    if (this.#intervalMs === null || !isCalm || !styles.length || now - this.#askedAt < this.#intervalMs) return false;
    if (now - this.#comparedAt < COMPARE_MS) return false;
    this.#comparedAt = now;
    const { styles: known, thumbnail: before } = this.#shown ?? {};
    const isSame = known && before && styles.every((id) => known.has(id)) && !hasChanged(before, thumbnail);
    if (isSame) return false;
    this.#askedAt = now;
    this.#asked = { thumbnail, styles: new Set(styles) };
    return true;
  }
}
