/** The small read-out of frames per second, the age of the look, a key frame's round trip, and the flow's time. */

import { find } from '../basics/dom.js';

const REFRESH_MS = 500;

export class Readout {
  #root;
  #read;
  /** @type {number|undefined} an interval */
  #timer;

  /**
   * @param {HTMLElement} root holds #fps, #age, #trip, #flow and #flow-size
   * @param {() => import('../live/stats.js').LiveStats} read the statistics to show
   */
  constructor(root, read) {
    this.#root = root;
    this.#read = read;
  }

  start() {
    this.#timer = setInterval(() => this.#show(), REFRESH_MS);
  }

  destroy() {
    clearInterval(this.#timer);
  }

  #show() {
    const { fps, keyFrameAgeMs, roundTripMs, flowMs, flowSize } = this.#read();
    this.#set('fps', fps && fps.toFixed(0));
    this.#set('age', keyFrameAgeMs && `${(keyFrameAgeMs / 1000).toFixed(1)} s`);
    this.#set('trip', roundTripMs && `${roundTripMs.toFixed(0)} ms`);
    this.#set('flow', flowMs && `${flowMs.toFixed(1)} ms`);
    this.#set('flow-size', flowSize ? `flow ${flowSize.join('×')}` : 'flow');
  }

  /**
   * @param {string} id
   * @param {string|number|null|undefined} text shown as a dash if it is missing or zero
   */
  #set(id, text) {
    find(this.#root, `#${id}`).textContent = text ? String(text) : '–';
  }
}
