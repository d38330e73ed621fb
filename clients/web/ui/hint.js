/** A word on the picture about what was just done to it, which goes away soon. */

const HINT_MS = 1500;

export class Hint {
  #element;
  /** @type {number|undefined} a timeout */
  #timer;

  /** @param {HTMLElement} element role="status" */
  constructor(element) {
    this.#element = element;
  }

  /**
   * @param {string} text
   * @param {boolean} [stays] whether it is shown until the next one
   */
  show(text, stays = false) {
    clearTimeout(this.#timer);
    this.#element.textContent = text;
    this.#element.hidden = !text;
    if (text && !stays) this.#timer = setTimeout(() => this.show(''), HINT_MS);
  }

  destroy() {
    clearTimeout(this.#timer);
  }
}
