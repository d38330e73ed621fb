/** Shows a chart's value under the pointer, or at a place chosen with the arrow keys, together with its time. */

import { find } from '../basics/dom.js';

export class ChartCursor {
  #plot;
  #chart;
  #describe;
  /** @type {number|null} the chosen value, counted from the newest, which is 0; null if none is chosen */
  #back = null;

  /**
   * @param {HTMLElement} plot holds the chart's SVG, a .cursor and a .tip; role="slider"
   * @param {import('./chart.js').Chart} chart
   * @param {(value: number|null, index: number, back: number) => string} describe a value, given its index, and how
   *   many are newer
   */
  constructor(plot, chart, describe) {
    this.#plot = plot;
    this.#chart = chart;
    this.#describe = describe;
    plot.addEventListener('pointermove', this.#onPointer);
    plot.addEventListener('pointerdown', this.#onPointer);
    plot.addEventListener('pointerleave', this.#onLeave);
    plot.addEventListener('focus', this.#onFocus);
    plot.addEventListener('blur', this.#hide);
    plot.addEventListener('keydown', this.#onKey);
  }

  /** Show the chosen value anew, after the chart has changed. */
  follow() {
    const { length } = this.#chart.values;
    this.#plot.setAttribute('aria-valuemin', '0');
    this.#plot.setAttribute('aria-valuemax', String(Math.max(0, length - 1)));
    if (this.#back === null || this.#back >= length) return this.#hide();
    const index = length - 1 - this.#back;
    const [x, y] = this.#chart.place(index);
    const text = this.#describe(this.#chart.values[index], index, this.#back);
    this.#plot.style.setProperty('--x', `${100 * x}%`);
    this.#plot.style.setProperty('--y', `${100 * y}%`);
    find(this.#plot, '.tip').textContent = text;
    find(this.#plot, '.tip').toggleAttribute('data-left', x > 0.5);
    this.#plot.toggleAttribute('data-unknown', this.#chart.values[index] === null);
    this.#plot.setAttribute('aria-valuenow', String(index));
    this.#plot.setAttribute('aria-valuetext', text);
    this.#plot.setAttribute('data-chosen', '');
  }

  destroy() {
    this.#plot.removeEventListener('pointermove', this.#onPointer);
    this.#plot.removeEventListener('pointerdown', this.#onPointer);
    this.#plot.removeEventListener('pointerleave', this.#onLeave);
    this.#plot.removeEventListener('focus', this.#onFocus);
    this.#plot.removeEventListener('blur', this.#hide);
    this.#plot.removeEventListener('keydown', this.#onKey);
  }

  /** @param {PointerEvent} event */
  #onPointer = ({ clientX }) => {
    const { left, width } = this.#plot.getBoundingClientRect();
    this.#choose(this.#chart.values.length - 1 - this.#chart.nearest((clientX - left) / width));
  };

  /**
   * A finger leaves when it is lifted, and what it chose is to be read then; it stays until another place is tapped.
   * @param {PointerEvent} event
   */
  #onLeave = ({ pointerType }) => {
    if (pointerType === 'mouse') this.#hide();
  };

  #onFocus = () => {
    if (this.#back === null) this.#choose(0);
  };

  #hide = () => {
    this.#back = null;
    this.#plot.removeAttribute('data-chosen');
  };

  /** @param {KeyboardEvent} event */
  #onKey = (event) => {
    const newest = this.#chart.values.length - 1;
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: 1, ArrowDown: 1, PageDown: 10, ArrowRight: -1, ArrowUp: -1, PageUp: -10, Home: newest, End: -newest };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.#choose((this.#back ?? 0) + steps[event.key]);
  };

  /** @param {number} back */
  #choose(back) {
    this.#back = Math.min(Math.max(0, back), this.#chart.values.length - 1);
    if (this.#back < 0) this.#back = null;
    this.follow();
  }
}
