/** The slider that says how much of a look's mood is wanted: from its light only to the full mood. */

import { find } from '../basics/dom.js';
import { Paced } from '../basics/paced.js';

export class MoodSlider {
  #row;
  #slider;
  #onMood;
  /** @type {string|null} the id of the look whose mood it shows */
  #look = null;
  #paced = new Paced(() => this.#onMood(this.#slider.valueAsNumber));

  /**
   * @param {HTMLElement} row holds the slider
   * @param {(percent: number) => void} onMood while it moves, this is called four times a second at most
   */
  constructor(row, onMood) {
    this.#row = row;
    this.#slider = find(row, 'input', HTMLInputElement);
    this.#onMood = onMood;
  }

  start() {
    this.#slider.addEventListener('input', this.#onInput);
  }

  /**
   * Show the mood of a look.
   * @param {string} look its id
   * @param {number|null} percent null hides the slider, because the look has no mood of its own
   */
  show(look, percent) {
    if (look !== this.#look) this.#paced.stop();
    this.#look = look;
    this.#row.hidden = percent === null;
    if (percent !== null && !this.#paced.isAsked) this.#slider.value = String(percent);
    this.#describe();
  }

  destroy() {
    this.#paced.stop();
    this.#slider.removeEventListener('input', this.#onInput);
  }

  #onInput = () => {
    this.#describe();
    this.#paced.ask();
  };

  #describe() {
    const { value } = this.#slider;
    this.#slider.style.setProperty('--filled', `${value}%`);
    this.#slider.setAttribute('aria-valuetext', ENDS.get(value) ?? `${value} % of the mood`);
  }
}

/** What the ends of the slider mean. */
const ENDS = new Map([['0', 'light only'], ['100', 'full mood']]);
