/** Decides whether a look is shown: only looks of the last chosen style are. The time comes from the caller. */

/** Looks of an earlier style may still arrive for this long after a choice, on a busy server. */
const SETTLED_MS = 3000;
/** How often a choice is repeated to a server that answers in another style. */
const MAX_REPEATS = 2;

/**
 * What to do with a look. `show` it; `ignore` it, since it belongs to an earlier choice; `repeat` the choice to the
 * server, which should not have sent this look any more; or `yield`, since the server does not take the choice, and
 * choose the server's style instead.
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
   * Note that an offer tells the server the choice anew.
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
