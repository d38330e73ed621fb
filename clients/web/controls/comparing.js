/** Before and after: a press of the button brings the divider; as long as it is held, all of the picture is untouched. */

import { PressOrHold } from './press_or_hold.js';

/** @typedef {{toggleCompare: () => boolean, untouched: boolean}} Comparable the player */

export class Comparing {
  #button;
  #player;
  #onHold;
  #press = new PressOrHold((isHeld) => this.hold(isHeld));
  /** Whether the click that follows belongs to a press that was held. */
  #wasHeld = false;

  /**
   * @param {HTMLButtonElement} button a toggle button
   * @param {Comparable} player
   * @param {(isHeld: boolean) => void} onHold called when the picture becomes untouched, and when it no longer is
   */
  constructor(button, player, onHold) {
    this.#button = button;
    this.#player = player;
    this.#onHold = onHold;
  }

  start() {
    this.#button.addEventListener('pointerdown', this.#onDown);
    this.#button.addEventListener('pointerup', this.#onUp);
    this.#button.addEventListener('pointercancel', this.#onUp);
    this.#button.addEventListener('pointerleave', this.#onUp);
    this.#button.addEventListener('click', this.#onClick);
  }

  /** Bring the divider, or put it away. */
  toggle() {
    this.#button.setAttribute('aria-pressed', String(this.#player.toggleCompare()));
  }

  /** @param {boolean} isHeld whether the picture is shown untouched */
  hold(isHeld) {
    this.#player.untouched = isHeld;
    this.#onHold(isHeld);
  }

  destroy() {
    this.#press.cancel();
    this.#button.removeEventListener('pointerdown', this.#onDown);
    this.#button.removeEventListener('pointerup', this.#onUp);
    this.#button.removeEventListener('pointercancel', this.#onUp);
    this.#button.removeEventListener('pointerleave', this.#onUp);
    this.#button.removeEventListener('click', this.#onClick);
  }

  #onDown = () => {
    this.#wasHeld = false;
    this.#press.down();
  };

  #onUp = () => { this.#wasHeld ||= this.#press.up(); };

  #onClick = () => {
    if (!this.#wasHeld) this.toggle();
    this.#wasHeld = false;
  };
}
