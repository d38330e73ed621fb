/** What the page tells the user: a quiet status line, a passing remark, and a card for trouble. */

import { find } from './dom.js';

/** Long enough to read two sentences. */
const REMARK_MS = 6000;

export class Notices {
  #status;
  #card;
  /** @type {number|undefined} the timeout that ends a remark */
  #timer;
  /** The status to return to after a remark. */
  #lasting = '';

  /**
   * @param {HTMLElement} status role="status"
   * @param {HTMLElement} card role="alert", with a heading and a paragraph
   */
  constructor(status, card) {
    this.#status = status;
    this.#card = card;
  }

  /** @param {string} text shown until it is replaced; empty hides it */
  status(text) {
    this.#lasting = text;
    clearTimeout(this.#timer);
    this.#show(text);
  }

  /** @param {string} text shown for a few seconds */
  remark(text) {
    clearTimeout(this.#timer);
    this.#show(text);
    this.#timer = setTimeout(() => this.#show(this.#lasting), REMARK_MS);
  }

  /** @param {import('./trouble.js').Trouble|null} trouble null hides the card */
  trouble(trouble) {
    this.#card.hidden = !trouble;
    if (!trouble) return;
    find(this.#card, 'h2').textContent = trouble.title;
    find(this.#card, 'p').textContent = trouble.help;
  }

  destroy() {
    clearTimeout(this.#timer);
  }

  /** @param {string} text */
  #show(text) {
    this.#status.textContent = text;
    this.#status.hidden = !text;
  }
}
