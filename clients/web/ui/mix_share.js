/** The slider that says how much of each look is in a mix, and the button that removes the mix. */

import { find } from './dom.js';

/** @typedef {import('../net/style_mix.js').StyleMix} StyleMix */

/** While the slider moves, a look is asked for this often; the last one in any case. */
const ASK_MS = 250;

/**
 * @typedef {object} MixShareHandlers
 * @property {(percent: number) => void} onShare the second look's share has changed
 * @property {() => void} onRemove
 */

export class MixShare {
  #row;
  #slider;
  #handlers;
  #names = ['', ''];
  /** The timeout after which the server is asked for the look at the slider's place; 0 without one. */
  #asking = 0;

  /**
   * @param {HTMLElement} row holds the names of both looks, a slider between them, and a button
   * @param {MixShareHandlers} handlers
   */
  constructor(row, handlers) {
    this.#row = row;
    this.#slider = find(row, 'input', HTMLInputElement);
    this.#handlers = handlers;
  }

  start() {
    this.#slider.addEventListener('input', this.#onInput);
    find(this.#row, 'button').addEventListener('click', this.#handlers.onRemove);
  }

  /**
   * Show the row for a mix, or hide it.
   * @param {StyleMix|null} mix
   * @param {[string, string]} names of both looks
   */
  show(mix, names) {
    this.#row.hidden = !mix;
    if (!mix) return this.#stop();
    this.#names = names;
    find(this.#row, '.first').textContent = names[0];
    find(this.#row, '.second').textContent = names[1];
    if (!this.#asking) this.#slider.value = String(mix.percent);
    this.#describe();
  }

  destroy() {
    this.#stop();
    this.#slider.removeEventListener('input', this.#onInput);
    find(this.#row, 'button').removeEventListener('click', this.#handlers.onRemove);
  }

  #onInput = () => {
    this.#describe();
    if (!this.#asking) this.#asking = setTimeout(this.#ask, ASK_MS);
  };

  #ask = () => {
    this.#asking = 0;
    this.#handlers.onShare(this.#slider.valueAsNumber);
  };

  #stop() {
    clearTimeout(this.#asking);
    this.#asking = 0;
  }

  #describe() {
    const percent = this.#slider.valueAsNumber;
    this.#slider.setAttribute('aria-valuetext', `${100 - percent} % ${this.#names[0]}, ${percent} % ${this.#names[1]}`);
  }
}
