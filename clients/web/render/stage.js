/**
 * Places the picture: it fills the page if that hides little of it, beyond the edges and below the dock. Otherwise it is
 * shown whole, above the dock; and without a dock it is always shown whole.
 */

/** The share of the picture that must be on the page when it fills the page. */
const LEAST_VISIBLE = 0.75;
/** The share of the page that the dock may cover when the picture fills it. */
const MOST_COVERED = 0.13;

export class Stage {
  #stage;
  #picture;
  #dock;
  #observer = new ResizeObserver(() => this.#layout());
  #width = 16;
  #height = 9;

  /**
   * @param {HTMLElement} stage the whole page
   * @param {HTMLElement} picture
   * @param {HTMLElement} dock the controls over the stage's lower edge
   */
  constructor(stage, picture, dock) {
    this.#stage = stage;
    this.#picture = picture;
    this.#dock = dock;
  }

  start() {
    this.#observer.observe(this.#stage);
    this.#observer.observe(this.#dock);
  }

  /**
   * Place a picture of this size.
   * @param {number} width in pixels
   * @param {number} height in pixels
   */
  fit(width, height) {
    if (width === this.#width && height === this.#height) return;
    this.#width = width;
    this.#height = height;
    this.#layout();
  }

  destroy() {
    this.#observer.disconnect();
  }

  #layout() {
    const { clientWidth, clientHeight } = this.#stage;
    const dock = this.#dock.getBoundingClientRect();
    const hasDock = dock.height > 0;
    const across = clientWidth / this.#width;
    const down = clientHeight / this.#height;
    const isVisible = Math.min(across, down) / Math.max(across, down) >= LEAST_VISIBLE;
    const fills = hasDock && isVisible && dock.width * dock.height <= MOST_COVERED * clientWidth * clientHeight;
    const free = hasDock && !fills ? dock.top : clientHeight;
    const scale = fills ? Math.max(across, down) : Math.min(across, free / this.#height);
    const [width, height] = [this.#width * scale, this.#height * scale];
    const box = { left: (clientWidth - width) / 2, top: (free - height) / 2, width, height };
    for (const [side, length] of Object.entries(box)) this.#picture.style.setProperty(side, `${length}px`);
  }
}
