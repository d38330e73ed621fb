/** The slider that says how much of each look is in a mix, and the button that removes the mix. */

import { find } from '../basics/dom.js';
import { Paced } from '../basics/paced.js';

/** @typedef {import('../net/style_mix.js').StyleMix} StyleMix */

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
  #paced = new Paced(() => this.#handlers.onShare(this.#slider.valueAsNumber));

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
    if (!mix) return this.#paced.stop();
    this.#names = names;
    find(this.#row, '.first').textContent = names[0];
    find(this.#row, '.second').textContent = names[1];
    if (!this.#paced.isAsked) this.#slider.value = String(mix.percent);
    this.#describe();
  }

  destroy() {
    this.#paced.stop();
    this.#slider.removeEventListener('input', this.#onInput);
    find(this.#row, 'button').removeEventListener('click', this.#handlers.onRemove);
  }

  #onInput = () => {
    this.#describe();
    this.#paced.ask();
  };

  #describe() {
    const percent = this.#slider.valueAsNumber;
    this.#slider.setAttribute('aria-valuetext', `${100 - percent} % ${this.#names[0]}, ${percent} % ${this.#names[1]}`);
  }
}
