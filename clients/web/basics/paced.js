/** Does something while a slider moves, but not at each step: once for all the steps of a quarter of a second. */

const INTERVAL_MS = 250;

export class Paced {
  #action;
  /** The timeout after which it is done; 0 if nobody asks for it. */
  #timer = 0;

  /** @param {() => void} action */
  constructor(action) {
    this.#action = action;
  }

  /** @returns {boolean} whether it was asked for, and is not done yet */
  get isAsked() {
    return this.#timer !== 0;
  }

  ask() {
    if (!this.#timer) this.#timer = setTimeout(this.#act, INTERVAL_MS);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  #act = () => {
    this.#timer = 0;
    this.#action();
  };
}
