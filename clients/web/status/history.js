/** The charts of the last minutes, and of the last hour. */

import { Chart } from './chart.js';
import { ChartCursor } from './chart_cursor.js';
import { showAxis } from './elements.js';
import { duration } from './words.js';
import { byId } from '../basics/dom.js';

/** @typedef {import('./state.js').GatewayState} GatewayState */
/** @typedef {import('./state.js').History} HistoryState */
/** @typedef {'queue'|'key_frames_per_s'|'oldest_s'} Quantity */

/** How many values the charts have room for. */
const SLOTS = { history: 300, hour: 240 };
/** @type {{id: string, quantity: Quantity, least: number, unit: string}[]} */
const CHARTS = [
  { id: 'chart-queue', quantity: 'queue', least: 5, unit: '' },
  { id: 'chart-key-frames', quantity: 'key_frames_per_s', least: 2, unit: '' },
  { id: 'chart-oldest', quantity: 'oldest_s', least: 1, unit: ' s' },
];

export class History {
  #range;
  /** @type {Pick<GatewayState, 'history'|'hour'>|null} */
  #state = null;
  #charts = CHARTS.map((options) => {
    const chart = new Chart(byId(options.id, SVGSVGElement), { least: options.least });
    const cursor = new ChartCursor(plotOf(options.id), chart, (value, _, back) => this.#describe(value, back, options.unit));
    return { ...options, chart, cursor };
  });

  /** @param {HTMLElement} range holds radio buttons, one for each of SLOTS */
  constructor(range) {
    this.#range = range;
    range.addEventListener('change', this.#draw);
  }

  /** @param {GatewayState} state */
  show(state) {
    this.#state = state;
    this.#draw();
  }

  destroy() {
    this.#range.removeEventListener('change', this.#draw);
    this.#charts.forEach(({ cursor }) => cursor.destroy());
  }

  #draw = () => {
    if (!this.#state) return;
    const { slots, values } = this.#shown(this.#state);
    const ago = duration(values.step_s * slots);
    for (const { id, quantity, unit, chart, cursor } of this.#charts) {
      showAxis(id, `${chart.show(values[quantity], slots)}${unit}`, ago);
      cursor.follow();
    }
  };

  /**
   * @param {Pick<GatewayState, 'history'|'hour'>} state
   * @returns {{slots: number, values: HistoryState}}
   */
  #shown(state) {
    const hour = this.#range.querySelector('[value="hour"]:checked') !== null;
    return { slots: hour ? SLOTS.hour : SLOTS.history, values: hour ? state.hour : state.history };
  }

  /**
   * @param {number|null} value
   * @param {number} back how many values are newer
   * @param {string} unit
   * @returns {string}
   */
  #describe(value, back, unit) {
    const step = this.#state ? this.#shown(this.#state).values.step_s : 1;
    const number = value === null ? 'not known' : `${Number(value.toFixed(2))}${unit}`;
    return `${number}, ${back ? duration(Math.round(back * step)) : 'now'}`;
  }
}

/**
 * @param {string} id of a chart
 * @returns {HTMLElement} what holds it
 */
export function plotOf(id) {
  const plot = byId(id, SVGSVGElement).parentElement;
  if (!plot) throw new TypeError(`#${id} is in nothing.`);
  return plot;
}
