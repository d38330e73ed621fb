/** The renderer for browsers without WebGL2: the same interface, a smaller picture, the grid applied on the CPU. */

import { applyGrid } from './reassemble.js';

const MAX_SIDE = 320;

export class Renderer2D {
  #canvas;
  #context;
  #grid = null;
  /** @type {ImageData} */
  #image;

  /** As Renderer.onCpu. */
  onCpu = true;
  /** As Renderer.usesFlow: a grid changes little from place to place, and there is no time for more. */
  usesFlow = false;
  /** As Renderer.busy: drawing is done when it returns. */
  busy = false;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
  }

  /** @param {import('./reassemble.js').Grid} grid for the frames from now on */
  setGrid(grid) {
    this.#grid = grid;
  }

  /**
   * Take the picture to draw; the canvas takes its shape.
   * @param {CanvasImageSource} source
   * @param {number} width in pixels
   * @param {number} height in pixels
   */
  setImage(source, width, height) {
    const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
    const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
    if (this.#canvas.width !== size.width || this.#canvas.height !== size.height) Object.assign(this.#canvas, size);
    this.#context.drawImage(source, 0, 0, size.width, size.height);
    this.#image = this.#context.getImageData(0, 0, size.width, size.height);
  }

  /**
   * Draw the picture, untouched where `before` says so.
   * @param {[number, number]} before from and to, as fractions of the width
   */
  draw(before) {
    const drawn = new ImageData(this.#image.data.slice(), this.#image.width);
    const [from, to] = before.map((edge) => Math.round(edge * drawn.width));
    applyGrid(drawn, this.#grid, 0, from);
    applyGrid(drawn, this.#grid, to, drawn.width);
    this.#context.putImageData(drawn, 0, 0);
  }

  destroy() {
    this.#image = undefined;
  }
}
