/** The slider that says how strong the look on show is. */

export class StrengthSlider {
  #slider;
  #value;
  #handlers;

  /**
   * @param {HTMLInputElement} slider
   * @param {HTMLElement} value shows the strength as a number
   * @param {{onStrength: (strength: number) => void, onKept: (strength: number) => void}} handlers 0..1: while the slider
   *   moves, and when it is let go
   */
  constructor(slider, value, handlers) {
    this.#slider = slider;
    this.#value = value;
    this.#handlers = handlers;
  }

  start() {
    this.#slider.addEventListener('input', this.#onInput);
    this.#slider.addEventListener('change', this.#onChange);
  }

  /** @returns {number} in percent */
  get percent() {
    return this.#slider.valueAsNumber;
  }

  /** @param {number} strength of the look on show, 0..1 */
  show(strength) {
    const slider = this.#slider;
    slider.value = String(Math.round(100 * strength));
    slider.style.setProperty('--filled', `${slider.value}%`);
    slider.setAttribute('aria-valuetext', `${slider.value} %`);
    this.#value.textContent = slider.value;
  }

  destroy() {
    this.#slider.removeEventListener('input', this.#onInput);
    this.#slider.removeEventListener('change', this.#onChange);
  }

  #onInput = () => {
    this.show(this.percent / 100);
    this.#handlers.onStrength(this.percent / 100);
  };

  #onChange = () => this.#handlers.onKept(this.percent / 100);
}
