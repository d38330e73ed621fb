/** The page's messages for the user: the state in a quiet line, remarks in another one, and trouble on a card. */

import { find } from '../basics/dom.js';

/** How long a remark is shown: long enough to read two sentences, whatever happens meanwhile. */
const REMARK_MS = 8000;

/**
 * @typedef {object} NoticeElements
 * @property {HTMLElement} status role="status"
 * @property {HTMLElement} remark role="status"
 * @property {HTMLElement} card role="alert", with a heading and a paragraph
 */

export class Notices {
  #elements;
  /** @type {number|undefined} the timeout that ends a remark */
  #timer;

  /** @param {NoticeElements} elements */
  constructor(elements) {
    this.#elements = elements;
  }

  /** @param {string} text shown until it is replaced; an empty one hides the line */
  status(text) {
    show(this.#elements.status, text);
  }

  /** @param {string} text shown for some seconds, or until the next one */
  remark(text) {
    clearTimeout(this.#timer);
    show(this.#elements.remark, text);
    this.#timer = setTimeout(show, REMARK_MS, this.#elements.remark, '');
  }

  /** @param {import('../capture/trouble.js').Trouble|null} trouble shown on the card; null hides it */
  trouble(trouble) {
    const { card } = this.#elements;
    card.hidden = !trouble;
    if (!trouble) return;
    find(card, 'h2').textContent = trouble.title;
    find(card, 'p').textContent = trouble.help;
  }

  destroy() {
    clearTimeout(this.#timer);
  }
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function show(element, text) {
  element.textContent = text;
  element.hidden = !text;
}
