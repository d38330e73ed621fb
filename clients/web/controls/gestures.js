/** Gestures on the picture: a tap, a press that is held, and a swipe to either side. */

import { PressOrHold } from './press_or_hold.js';

/** A finger or mouse that has moved no farther than this, in CSS pixels, has not moved. */
const STILL_PX = 10;
/** A swipe goes at least this far. */
const SWIPE_PX = 48;
/** What lies on the picture and has uses of its own for a press. */
const OTHERS = 'button, a, input, [role="slider"], section';

/**
 * Which gesture it was that ended this far from where it began, in CSS pixels.
 * @param {number} across positive to the right
 * @param {number} down
 * @returns {'tap'|'next'|'previous'|null} a swipe to the left brings the next look, as if the looks were pulled along
 */
export function gestureOf(across, down) {
  if (Math.hypot(across, down) <= STILL_PX) return 'tap';
  if (Math.abs(across) < SWIPE_PX || Math.abs(across) < 2 * Math.abs(down)) return null;
  return across < 0 ? 'next' : 'previous';
}

/**
 * @typedef {object} GestureHandlers
 * @property {() => void} onTap
 * @property {(isHeld: boolean) => void} onHold
 * @property {(step: -1|1) => void} onSwipe to the next look, or the one before
 */

export class Gestures {
  #area;
  #handlers;
  #press;
  /** @type {{id: number, x: number, y: number}|null} the pointer that is down, and where it came down */
  #down = null;

  /**
   * @param {HTMLElement} area
   * @param {GestureHandlers} handlers
   */
  constructor(area, handlers) {
    this.#area = area;
    this.#handlers = handlers;
    this.#press = new PressOrHold(handlers.onHold);
  }

  start() {
    this.#area.addEventListener('pointerdown', this.#onDown);
    this.#area.addEventListener('pointermove', this.#onMove);
    this.#area.addEventListener('pointerup', this.#onUp);
    this.#area.addEventListener('pointercancel', this.#forget);
    this.#area.addEventListener('contextmenu', this.#onMenu);
  }

  destroy() {
    this.#forget();
    this.#area.removeEventListener('pointerdown', this.#onDown);
    this.#area.removeEventListener('pointermove', this.#onMove);
    this.#area.removeEventListener('pointerup', this.#onUp);
    this.#area.removeEventListener('pointercancel', this.#forget);
    this.#area.removeEventListener('contextmenu', this.#onMenu);
  }

  /** @param {PointerEvent} event */
  #onDown = (event) => {
    this.#forget(); // two fingers are no gesture of ours
    if (!event.isPrimary || event.button !== 0) return;
    if (event.target instanceof Element && event.target.closest(OTHERS)) return;
    this.#area.setPointerCapture(event.pointerId);
    this.#down = { id: event.pointerId, x: event.clientX, y: event.clientY };
    this.#press.down();
  };

  /** @param {PointerEvent} event */
  #onMove = (event) => {
    const moved = this.#moved(event);
    if (moved && !this.#press.isHeld && gestureOf(...moved) !== 'tap') this.#press.cancel();
  };

  /** @param {PointerEvent} event */
  #onUp = (event) => {
    const moved = this.#moved(event);
    if (!moved) return;
    this.#down = null;
    if (this.#press.up()) return;
    const gesture = gestureOf(...moved);
    if (gesture === 'tap') this.#handlers.onTap();
    if (gesture === 'next') this.#handlers.onSwipe(1);
    if (gesture === 'previous') this.#handlers.onSwipe(-1);
  };

  #forget = () => {
    this.#down = null;
    this.#press.cancel();
  };

  /**
   * A held finger would open the browser's menu for pictures.
   * @param {MouseEvent} event
   */
  #onMenu = (event) => { if (this.#down) event.preventDefault(); };

  /**
   * @param {PointerEvent} event
   * @returns {[number, number]|null} how far the pointer that is down has moved to the right and down
   */
  #moved({ pointerId, clientX, clientY }) {
    return this.#down?.id === pointerId ? [clientX - this.#down.x, clientY - this.#down.y] : null;
  }
}
