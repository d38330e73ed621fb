/** Draws a still photo with a look in its own size, beside the picture on show and without disturbing it. */

import { Renderer } from './renderer.js';
import { Renderer2D } from './renderer2d.js';

/**
 * @param {HTMLCanvasElement} photo
 * @param {import('./grid.js').Grid|null} grid null leaves the photo as it is
 * @param {boolean} onGpu whether there is WebGL2
 * @returns {{canvas: HTMLCanvasElement, free: () => void}} to be read in the same turn, and then freed
 */
export function drawFullSize(photo, grid, onGpu) {
  const canvas = document.createElement('canvas');
  const renderer = onGpu ? new Renderer(canvas) : new Renderer2D(canvas, Infinity);
  renderer.setImage(photo, photo.width, photo.height);
  if (grid) renderer.setGrid(grid);
  renderer.draw([0, 0]);
  return { canvas, free: () => renderer.destroy() };
}
