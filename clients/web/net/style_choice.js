/** Which style's looks are shown: the last one chosen, always. Pure: the time comes from the caller. */

/** Longer than looks already on their way arrive after another style was chosen, on a busy server. */
const SETTLED_MS = 3000;
/** How often a choice is repeated to a server that answers in another style. */
const MAX_REPEATS = 2;

/**
 * show: this look is shown; ignore: it belongs to an earlier choice; repeat: it should not have come any more, so tell
 * the server once more what was chosen; yield: it does not take the choice, so its own style is the choice from now on.
 * @typedef {'show'|'ignore'|'repeat'|'yield'} Verdict
 */

export class StyleChoice {
  /** @type {string|null} the style's id; null leaves the choice to the server */
  id = null;
  /** When the server was last told, performance.now(). */
  #toldAt = 0;
  #repeats = 0;

  /**
   * @param {string} id
   * @param {number} now
   */
  choose(id, now) {
    Object.assign(this, { id });
    this.#toldAt = now;
    this.#repeats = 0;
  }

  /**
   * The server is told anew, as part of an offer.
   * @param {number} now
   */
  offered(now) {
    this.#toldAt = now;
    this.#repeats = 0;
  }

  /**
   * @param {string} id of an arriving look's style
   * @param {number} now
   * @returns {Verdict}
   */
  judge(id, now) {
    if (this.id === null || id === this.id) return 'show';
    if (now - this.#toldAt < SETTLED_MS) return 'ignore';
    if (this.#repeats === MAX_REPEATS) {
      this.choose(id, now);
      return 'yield';
    }
    this.#repeats += 1;
    this.#toldAt = now;
    return 'repeat';
  }
}
