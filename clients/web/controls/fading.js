/** Hides the controls over the picture while nobody needs them, and shows them again at the first sign of somebody. */

/** The controls fade after this long without input. */
export const QUIET_MS = 3000;
/** How far a mouse has to move, in CSS pixels, to be noticed after the controls were hidden by hand. */
const NUDGE_PX = 8;
/** What keeps the controls on show for as long as it is open. */
const OPEN = 'dialog[open], [popover]:popover-open';

/**
 * @typedef {object} Surroundings
 * @property {boolean} hasPicture whether there is a picture that the controls cover
 * @property {boolean} isPointedAt whether a mouse rests on the controls
 * @property {boolean} isFocused whether the keyboard's focus is on one of them
 * @property {boolean} isOpen whether a menu or dialog is open
 */

/**
 * @param {Surroundings} surroundings
 * @returns {boolean} whether the controls may fade by themselves
 */
export function mayFade({ hasPicture, isPointedAt, isFocused, isOpen }) {
  return hasPicture && !isPointedAt && !isFocused && !isOpen;
}

export class Fading {
  #controls;
  #hasPicture;
  #isPointedAt = false;
  /** @type {{x: number, y: number}} where the pointer was when it was last noticed */
  #pointer = { x: 0, y: 0 };
  /** @type {number|undefined} a timeout */
  #timer;

  /**
   * @param {HTMLElement[]} controls
   * @param {() => boolean} hasPicture whether there is a picture that they cover
   */
  constructor(controls, hasPicture) {
    this.#controls = controls;
    this.#hasPicture = hasPicture;
  }

  start() {
    document.addEventListener('pointermove', this.#onMove, { passive: true });
    document.addEventListener('pointerdown', this.#onDown, { passive: true });
    document.documentElement.addEventListener('pointerleave', this.#onLeave);
    document.addEventListener('focusin', this.show);
    this.show();
  }

  /** @returns {boolean} */
  get hidden() {
    return document.body.dataset.controls === 'hidden';
  }

  /** Show the controls until nothing happens for some seconds. */
  show = () => {
    delete document.body.dataset.controls;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onQuiet, QUIET_MS);
  };

  /** Show or hide the controls because the user wants it so. */
  toggle() {
    if (this.hidden) this.show();
    else if (this.#hasPicture()) this.#hide();
  }

  destroy() {
    clearTimeout(this.#timer);
    document.removeEventListener('pointermove', this.#onMove);
    document.removeEventListener('pointerdown', this.#onDown);
    document.documentElement.removeEventListener('pointerleave', this.#onLeave);
    document.removeEventListener('focusin', this.show);
  }

  #hide() {
    document.body.dataset.controls = 'hidden';
  }

  #onQuiet = () => {
    const isFocused = this.#controls.some((part) => part.querySelector(':focus-visible'));
    const [hasPicture, isOpen] = [this.#hasPicture(), document.querySelector(OPEN) !== null];
    if (mayFade({ hasPicture, isPointedAt: this.#isPointedAt, isFocused, isOpen })) this.#hide();
    else this.show();
  };

  /**
   * A finger that moves belongs to a gesture on the picture, and shows nothing.
   * @param {PointerEvent} event
   */
  #onMove = (event) => {
    if (event.pointerType !== 'mouse') return;
    this.#isPointedAt = this.#isOn(event);
    const moved = Math.hypot(event.clientX - this.#pointer.x, event.clientY - this.#pointer.y);
    if (this.hidden && moved < NUDGE_PX) return;
    this.#pointer = { x: event.clientX, y: event.clientY };
    this.show();
  };

  /** @param {PointerEvent} event */
  #onDown = (event) => {
    this.#pointer = { x: event.clientX, y: event.clientY };
    if (this.#isOn(event)) this.show();
  };

  #onLeave = () => { this.#isPointedAt = false; };

  /**
   * @param {PointerEvent} event
   * @returns {boolean} whether it happened on the controls
   */
  #isOn({ target }) {
    return this.#controls.some((part) => target instanceof Node && part.contains(target));
  }
}
