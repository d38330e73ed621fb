/** Mixes two looks when the tile of one, pulled out of the row or held for a moment, is dropped on that of another. */

/** How far a pointer has to move until it is clear whether it pulls a tile up or down or scrolls the row, in CSS pixels. */
const REST_PX = 8;
/** How long a finger rests on a tile until that can be dragged in any direction. */
const HOLD_MS = 350;
/** Tiles that can be dragged, and dropped on. */
const TILE = 'label.tile:not(.mix)';

export class MixDrag {
  #gallery;
  #onMix;
  /** @type {{tile: HTMLElement, x: number, y: number, pointerId: number}|null} where a tile was pressed */
  #pressed = null;
  /** @type {HTMLElement|null} what follows the pointer while a tile is dragged */
  #ghost = null;
  /** @type {HTMLElement|null} the tile under the pointer */
  #target = null;
  #hold = 0;

  /** Whether looks can be mixed at present. */
  enabled = false;

  /**
   * @param {HTMLElement} gallery holds the tiles, each with a radio button
   * @param {(first: string, second: string) => void} onMix
   */
  constructor(gallery, onMix) {
    this.#gallery = gallery;
    this.#onMix = onMix;
  }

  start() {
    this.#gallery.addEventListener('pointerdown', this.#onDown);
    this.#gallery.addEventListener('pointermove', this.#onMove);
    this.#gallery.addEventListener('pointerup', this.#onUp);
    this.#gallery.addEventListener('pointercancel', this.#drop);
    this.#gallery.addEventListener('touchmove', this.#onTouchMove, { passive: false });
    this.#gallery.addEventListener('contextmenu', this.#onMenu);
    window.addEventListener('keydown', this.#onKey);
  }

  destroy() {
    this.#drop();
    this.#gallery.removeEventListener('pointerdown', this.#onDown);
    this.#gallery.removeEventListener('pointermove', this.#onMove);
    this.#gallery.removeEventListener('pointerup', this.#onUp);
    this.#gallery.removeEventListener('pointercancel', this.#drop);
    this.#gallery.removeEventListener('touchmove', this.#onTouchMove);
    this.#gallery.removeEventListener('contextmenu', this.#onMenu);
    window.removeEventListener('keydown', this.#onKey);
  }

  /** @param {PointerEvent} event */
  #onDown = (event) => {
    this.#drop();
    const tile = event.target instanceof Element ? event.target.closest(TILE) : null;
    if (!this.enabled || !event.isPrimary || event.button !== 0 || !(tile instanceof HTMLElement)) return;
    const { clientX: x, clientY: y, pointerId } = event;
    this.#pressed = { tile, x, y, pointerId };
    if (event.pointerType !== 'mouse') this.#hold = setTimeout(() => this.#lift(), HOLD_MS);
  };

  /** @param {PointerEvent} event */
  #onMove = (event) => {
    if (!this.#pressed) return;
    const [across, down] = [event.clientX - this.#pressed.x, event.clientY - this.#pressed.y].map(Math.abs);
    if (!this.#ghost && Math.max(across, down) <= REST_PX) return;
    if (!this.#ghost && across >= down) return this.#drop(); // the row is scrolled
    if (!this.#ghost) this.#lift();
    this.#drag(event);
  };

  #lift() {
    clearTimeout(this.#hold);
    if (!this.#pressed) return;
    const { tile, x, y, pointerId } = this.#pressed;
    const picture = tile.querySelector('canvas') ?? tile.querySelector('img');
    const ghost = this.#ghost = document.createElement('div');
    ghost.className = 'ghost';
    ghost.append(...(picture ? [copyOf(picture)] : []));
    document.body.append(ghost);
    tile.setPointerCapture(pointerId);
    this.#gallery.toggleAttribute('data-mixing', true);
    this.#place(x, y);
  }

  /** @param {PointerEvent} event */
  #drag({ clientX, clientY }) {
    this.#place(clientX, clientY);
    const below = document.elementFromPoint(clientX, clientY)?.closest(TILE) ?? null;
    const isOther = below instanceof HTMLElement && below !== this.#pressed?.tile && this.#gallery.contains(below);
    this.#aim(isOther ? below : null);
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  #place(x, y) {
    if (this.#ghost) this.#ghost.style.translate = `${x}px ${y}px`;
  }

  /** @param {HTMLElement|null} target */
  #aim(target) {
    this.#target?.classList.remove('target');
    this.#target = target;
    this.#target?.classList.add('target');
  }

  #onUp = () => {
    const [first, second] = [this.#pressed?.tile, this.#target].map((tile) => tile?.querySelector('input')?.value);
    if (this.#ghost) swallowClick();
    this.#drop();
    if (first && second) this.#onMix(first, second);
  };

  /** End the drag, wherever it is, without mixing. */
  #drop = () => {
    clearTimeout(this.#hold);
    if (this.#ghost) this.#gallery.toggleAttribute('data-mixing', false);
    this.#ghost?.remove();
    this.#ghost = this.#pressed = null;
    this.#aim(null);
  };

  /** @param {TouchEvent} event */
  #onTouchMove = (event) => {
    if (this.#ghost) event.preventDefault(); // the row would scroll
  };

  /** @param {Event} event */
  #onMenu = (event) => {
    if (this.#pressed) event.preventDefault(); // a finger that rests asks for a menu on some phones
  };

  /** @param {KeyboardEvent} event */
  #onKey = ({ key }) => {
    if (key === 'Escape') this.#drop();
  };
}

/** Whoever drops a tile does not choose it. */
function swallowClick() {
  const swallow = (/** @type {Event} */ event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  window.addEventListener('click', swallow, { capture: true });
  setTimeout(() => window.removeEventListener('click', swallow, { capture: true }), 0);
}

/**
 * @param {HTMLCanvasElement|HTMLImageElement} picture
 * @returns {HTMLElement}
 */
function copyOf(picture) {
  if (picture instanceof HTMLImageElement) return Object.assign(document.createElement('img'), { src: picture.src, alt: '' });
  const copy = Object.assign(document.createElement('canvas'), { width: picture.width, height: picture.height });
  copy.getContext('2d')?.drawImage(picture, 0, 0);
  return copy;
}
