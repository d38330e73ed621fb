/** The small read-out of how it runs: frames a second, the age of the look, the round trip of a key frame. */

const REFRESH_MS = 500;

export class Readout {
  #root;
  #read;
  #timer;

  /**
   * @param {HTMLElement} root holds #fps, #age and #trip
   * @param {() => ReturnType<import('./stats.js').Stats['snapshot']>} read
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
    const { fps, keyFrameAgeMs, roundTripMs } = this.#read();
    this.#set('fps', fps && fps.toFixed(0));
    this.#set('age', keyFrameAgeMs && `${(keyFrameAgeMs / 1000).toFixed(1)} s`);
    this.#set('trip', roundTripMs && `${roundTripMs.toFixed(0)} ms`);
  }

  #set(id, text) {
    this.#root.querySelector(`#${id}`).textContent = text || '–';
  }
}
