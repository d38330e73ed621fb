/** Tells a short press from one that is held. */

/** From this long on, a press is held. */
export const HOLD_MS = 350;

export class PressOrHold {
  #onHold;
  /** @type {number|undefined} a timeout */
  #timer;
  #isHeld = false;

  /** @param {(isHeld: boolean) => void} onHold called when a press has lasted so long that it is held, and at its end */
  constructor(onHold) {
    this.#onHold = onHold;
  }

  /** @returns {boolean} whether a press is held now */
  get isHeld() {
    return this.#isHeld;
  }

  down() {
    this.cancel();
    this.#timer = setTimeout(() => this.#hold(true), HOLD_MS);
  }

  /** @returns {boolean} whether the press was held until now */
  up() {
    const wasHeld = this.#isHeld;
    this.cancel();
    return wasHeld;
  }

  /** Forget the press. */
  cancel() {
    clearTimeout(this.#timer);
    if (this.#isHeld) this.#hold(false);
  }

  /** @param {boolean} isHeld */
  #hold(isHeld) {
    this.#isHeld = isHeld;
    this.#onHold(isHeld);
  }
}
