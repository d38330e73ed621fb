/** The renderer for browsers without WebGL2: it applies the grid on the CPU, to a smaller picture, without flow. */

import { context2d } from '../basics/canvas.js';
import { applyGrid } from './grid.js';

/** @typedef {import('./grid.js').Grid} Grid */

/** The longer side, in pixels, that a CPU can draw at the camera's rate. */
const MAX_SIDE = 320;

export class Renderer2D {
  #canvas;
  #maxSide;
  #context;
  /** @type {Grid|null} */
  #grid = null;
  /** @type {ImageData|null} */
  #image = null;

  /** The counterpart of Renderer.onCpu. */
  onCpu = true;
  /** @type {false} as Renderer.usesFlow; a grid varies little from place to place, and there is no time for flow */
  usesFlow = false;
  /** The counterpart of Renderer.busy; drawing is done when `draw` returns. */
  busy = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} [maxSide] larger pictures are scaled down to this
   */
  constructor(canvas, maxSide = MAX_SIDE) {
    this.#canvas = canvas;
    this.#maxSide = maxSide;
    this.#context = context2d(canvas, { alpha: false, willReadFrequently: true });
  }

  /** @param {Grid} grid the grid for frames from now on */
  setGrid(grid) {
    this.#grid = grid;
  }

  /**
   * Take the picture to draw. The canvas gets its aspect ratio.
   * @param {import('../basics/canvas.js').FrameSource} source
   * @param {number} width in pixels
   * @param {number} height in pixels
   */
  setImage(source, width, height) {
    const scale = Math.min(1, this.#maxSide / Math.max(width, height));
    const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
    if (this.#canvas.width !== size.width || this.#canvas.height !== size.height) Object.assign(this.#canvas, size);
    this.#context.drawImage(source, 0, 0, size.width, size.height);
    this.#image = this.#context.getImageData(0, 0, size.width, size.height);
  }

  /**
   * Draw the picture, once there are a picture and a grid.
   * @param {import('./renderer.js').Span} before the part to leave untouched
   */
  draw(before) {
    if (!this.#image || !this.#grid) return;
    const drawn = new ImageData(this.#image.data.slice(), this.#image.width);
    const [from, to] = before.map((edge) => Math.round(edge * drawn.width));
    applyGrid(drawn, this.#grid, 0, from);
    applyGrid(drawn, this.#grid, to, drawn.width);
    this.#context.putImageData(drawn, 0, 0);
  }

  destroy() {
    this.#image = null;
  }
}
