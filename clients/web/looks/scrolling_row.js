/** Makes a row that is wider than its place scroll by the mouse's wheel, and by dragging it as fingers do. */

/** How far a pressed mouse has to move, in CSS pixels, before it drags the row instead of clicking. */
const DRAG_PX = 6;
/** How far one unit of a wheel's `deltaY` scrolls, by its `deltaMode`: pixels, lines; a page is the row's own width. */
const UNIT_PX = [1, 32];

export class ScrollingRow {
  #row;
  /** @type {{x: number, y: number, from: number}|null} where the mouse was pressed, and how far the row was scrolled */
  #pressed = null;
  #dragging = false;

  /** @param {HTMLElement} row with overflow-x: auto; fingers scroll it without this */
  constructor(row) {
    this.#row = row;
  }

  start() {
    this.#row.addEventListener('wheel', this.#onWheel, { passive: false });
    this.#row.addEventListener('pointerdown', this.#onDown);
    this.#row.addEventListener('pointermove', this.#onMove);
    this.#row.addEventListener('pointerup', this.#onUp);
    this.#row.addEventListener('pointercancel', this.#onUp);
    this.#row.addEventListener('click', this.#onClick, { capture: true });
    this.#row.addEventListener('focusin', this.#onFocus);
  }

  destroy() {
    this.#row.removeEventListener('wheel', this.#onWheel);
    this.#row.removeEventListener('pointerdown', this.#onDown);
    this.#row.removeEventListener('pointermove', this.#onMove);
    this.#row.removeEventListener('pointerup', this.#onUp);
    this.#row.removeEventListener('pointercancel', this.#onUp);
    this.#row.removeEventListener('click', this.#onClick, { capture: true });
    this.#row.removeEventListener('focusin', this.#onFocus);
  }

  /** @param {WheelEvent} event */
  #onWheel = (event) => {
    const { scrollWidth, clientWidth } = this.#row;
    const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY); // the browser scrolls by that itself
    if (event.ctrlKey || isSideways || scrollWidth <= clientWidth) return;
    event.preventDefault();
    this.#row.scrollLeft += event.deltaY * (UNIT_PX[event.deltaMode] ?? clientWidth);
  };

  /** @param {PointerEvent} event */
  #onDown = (event) => {
    this.#dragging = false;
    if (event.pointerType !== 'mouse' || event.button !== 0) return;
    this.#pressed = { x: event.clientX, y: event.clientY, from: this.#row.scrollLeft };
  };

  /** @param {PointerEvent} event */
  #onMove = (event) => {
    if (!this.#pressed) return;
    const [across, down] = [event.clientX - this.#pressed.x, event.clientY - this.#pressed.y];
    if (!this.#dragging && Math.hypot(across, down) > DRAG_PX) {
      if (Math.abs(down) > Math.abs(across)) return this.#onUp(); // what is pulled out of the row does not drag it
      this.#dragging = true;
      this.#row.setPointerCapture(event.pointerId);
    }
    if (this.#dragging) this.#row.scrollLeft = this.#pressed.from - across;
  };

  #onUp = () => {
    this.#pressed = null;
  };

  /** Browsers leave a tile that is half beyond the edge where it is when the keyboard comes to it. */
  #onFocus = (/** @type {FocusEvent} */ { target }) => {
    if (!(target instanceof Element) || !target.matches(':focus-visible')) return; // not under a pointer, on its way up
    target.closest('.tile')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  };

  /** The click at the end of a drag chooses nothing. */
  #onClick = (/** @type {MouseEvent} */ event) => {
    if (!this.#dragging) return;
    this.#dragging = false;
    event.preventDefault();
    event.stopPropagation();
  };
}
