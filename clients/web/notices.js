/** What the page tells the user: a quiet status line, a passing remark, and a card for trouble. */

const REMARK_MS = 6000;

export class Notices {
  #status;
  #card;
  #timer;
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

  /** @param {import('./trouble.js').Trouble|null} trouble null takes the card away */
  trouble(trouble) {
    this.#card.hidden = !trouble;
    if (!trouble) return;
    this.#card.querySelector('h2').textContent = trouble.title;
    this.#card.querySelector('p').textContent = trouble.help;
  }

  destroy() {
    clearTimeout(this.#timer);
  }

  #show(text) {
    this.#status.textContent = text;
    this.#status.hidden = !text;
  }
}
