/** The button that mixes the look on show with the one that is chosen next, by mouse, finger or keyboard. */

import { parseMix } from '../net/style_mix.js';

/** Which way the arrow keys go. */
const STEPS = new Map([['ArrowLeft', -1], ['ArrowUp', -1], ['ArrowRight', 1], ['ArrowDown', 1]]);

/**
 * @typedef {object} MixModeHandlers
 * @property {() => string|null} first the id of the look on show, if it can be mixed
 * @property {(prompt: boolean) => void} onMode whether a second look is awaited
 * @property {(first: string, second: string) => void} onMix
 */

export class MixMode {
  #button;
  #gallery;
  #handlers;
  /** @type {string|null} the id of the first look while the second one is awaited */
  #first = null;

  /**
   * @param {HTMLButtonElement} button
   * @param {HTMLElement} gallery holds a radio button for each look
   * @param {MixModeHandlers} handlers
   */
  constructor(button, gallery, handlers) {
    this.#button = button;
    this.#gallery = gallery;
    this.#handlers = handlers;
  }

  start() {
    this.#button.addEventListener('click', this.#onButton);
    this.#gallery.addEventListener('click', this.#onClick, { capture: true });
    this.#gallery.addEventListener('keydown', this.#onKey);
    window.addEventListener('keydown', this.#onEscape);
  }

  destroy() {
    this.#button.removeEventListener('click', this.#onButton);
    this.#gallery.removeEventListener('click', this.#onClick, { capture: true });
    this.#gallery.removeEventListener('keydown', this.#onKey);
    window.removeEventListener('keydown', this.#onEscape);
  }

  #onButton = () => {
    if (this.#first !== null) return this.#await(null);
    const first = this.#handlers.first();
    if (first === null) return;
    this.#await(first);
    this.#radio(first)?.focus();
  };

  /** @param {string|null} first */
  #await(first) {
    this.#first = first;
    this.#button.setAttribute('aria-pressed', String(first !== null));
    this.#gallery.toggleAttribute('data-mixing', first !== null);
    this.#handlers.onMode(first !== null);
  }

  /** @param {Event} event a click on a radio button or its label, or one that a key makes */
  #onClick = (event) => {
    const radio = event.target;
    if (this.#first === null || !(radio instanceof HTMLInputElement)) return;
    event.preventDefault(); // the look on show stays until both are mixed
    event.stopPropagation();
    setTimeout(() => this.#choose(radio), 0); // after this event, at whose end the browser checks what was checked before
  };

  /** @param {HTMLInputElement} radio */
  #choose({ value }) {
    const first = this.#first;
    if (first === null || value === first || parseMix(value)) return;
    this.#await(null);
    this.#handlers.onMix(first, value);
  }

  /** @param {KeyboardEvent} event */
  #onKey = (event) => {
    const { key, target } = event;
    if (this.#first === null || !(target instanceof HTMLInputElement)) return;
    const step = STEPS.get(key);
    if (step === undefined && key !== 'Enter') return;
    event.preventDefault(); // an arrow would choose what it comes to
    if (step === undefined) return this.#choose(target);
    const radios = Array.from(this.#gallery.querySelectorAll('input'));
    const next = radios[(radios.indexOf(target) + step + radios.length) % radios.length];
    next.focus();
  };

  /** @param {KeyboardEvent} event */
  #onEscape = ({ key }) => {
    if (key === 'Escape' && this.#first !== null) this.#await(null);
  };

  /**
   * @param {string} look
   * @returns {HTMLInputElement|null}
   */
  #radio(look) {
    return this.#gallery.querySelector(`input[value="${CSS.escape(look)}"]`);
  }
}
