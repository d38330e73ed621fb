/** The divider over the picture: the untouched picture is on its left, the stylized one on its right. */

/** How far an arrow key moves the divider, as a fraction of the picture's width. */
const STEP = 0.02;
/** CSS pixels between the divider and the edges of the visible area, so that its handle stays within reach. */
const MARGIN = 24;
/** @type {Record<string, number>} key names, and how far each moves the divider; Home and End move it to the edges */
const KEY_STEPS = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, Home: -1, End: 1 };

export class Compare {
  #divider;
  #picture;
  #stage;
  #onChange;

  /** The divider's position, as a fraction of the picture's width. */
  position = 0.5;

  /**
   * @param {HTMLElement} divider role="slider", a child of the picture
   * @param {HTMLElement} picture
   * @param {HTMLElement} stage the visible area, which may cut the picture's sides off
   * @param {() => void} onChange called when the picture has to be drawn again
   */
  constructor(divider, picture, stage, onChange) {
    this.#divider = divider;
    this.#picture = picture;
    this.#stage = stage;
    this.#onChange = onChange;
  }

  start() {
    this.#divider.addEventListener('pointerdown', this.#onDown);
    this.#divider.addEventListener('pointermove', this.#onMove);
    this.#divider.addEventListener('keydown', this.#onKey);
    this.#show();
  }

  /** @returns {boolean} whether the divider is on show */
  get enabled() {
    return !this.#divider.hidden;
  }

  set enabled(enabled) {
    this.#divider.hidden = !enabled;
    this.#onChange();
  }

  destroy() {
    this.#divider.removeEventListener('pointerdown', this.#onDown);
    this.#divider.removeEventListener('pointermove', this.#onMove);
    this.#divider.removeEventListener('keydown', this.#onKey);
  }

  /** @param {PointerEvent} event */
  #onDown = (event) => this.#divider.setPointerCapture(event.pointerId);

  /** @param {PointerEvent} event */
  #onMove = (event) => {
    if (this.#divider.hasPointerCapture(event.pointerId)) this.#moveTo(event.clientX);
  };

  /** @param {KeyboardEvent} event */
  #onKey = (event) => {
    const step = KEY_STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const { left, width } = this.#picture.getBoundingClientRect();
    this.#moveTo(left + (this.position + step) * width);
  };

  /** @param {number} clientX CSS pixels from the window's left edge */
  #moveTo(clientX) {
    const visible = this.#stage.getBoundingClientRect();
    const picture = this.#picture.getBoundingClientRect();
    const leftmost = Math.max(visible.left + MARGIN, picture.left);
    const rightmost = Math.min(visible.right - MARGIN, picture.right);
    const x = Math.min(Math.max(clientX, leftmost), rightmost);
    this.position = (x - picture.left) / picture.width;
    this.#show();
    this.#onChange();
  }

  #show() {
    this.#divider.style.left = `${100 * this.position}%`;
    const percent = Math.round(100 * this.position);
    this.#divider.setAttribute('aria-valuenow', String(percent));
    this.#divider.setAttribute('aria-valuetext', `${percent} % before, ${100 - percent} % after`);
  }
}
