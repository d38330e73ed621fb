/** The small read-out of how it runs: frames a second, the age of the look, a key frame's round trip, the flow. */

const REFRESH_MS = 500;

export class Readout {
  #root;
  #read;
  #timer;

  /**
   * @param {HTMLElement} root holds #fps, #age, #trip, #flow and #flow-size
   * @param {() => object} read the statistics of Stats.snapshot and, where there is flow, of Tracker.stats
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

  #set(id, text) {
    this.#root.querySelector(`#${id}`).textContent = text || '–';
  }
}
