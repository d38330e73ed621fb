/** Draws small pictures of a frame in a look, on the CPU: a thumbnail has few pixels, and the GPU is left to the picture. */

import { context2d } from '../basics/canvas.js';
import { applyGrid, blendGrids, identityGrid } from './grid.js';

/** @typedef {import('./grid.js').Grid} Grid */

/** The size of a thumbnail in pixels: twice that of a tile, for sharp displays. */
const [WIDTH, HEIGHT] = [152, 100];

/**
 * Scale a picture so that it just covers a thumbnail.
 * @param {ImageData} picture
 * @returns {{image: ImageData, left: number, top: number}} the whole picture, and where its middle begins, which is shown
 */
export function framed(picture) {
  const scale = Math.max(WIDTH / picture.width, HEIGHT / picture.height);
  const [width, height] = [picture.width, picture.height].map((length) => Math.round(length * scale));
  const whole = canvasOf(picture.width, picture.height);
  context2d(whole).putImageData(picture, 0, 0);
  const context = context2d(canvasOf(width, height), { willReadFrequently: true });
  context.drawImage(whole, 0, 0, width, height);
  const [left, top] = [width - WIDTH, height - HEIGHT].map((rest) => Math.round(rest / 2));
  return { image: context.getImageData(0, 0, width, height), left, top };
}

/**
 * Draw a framed picture in a look.
 * @param {HTMLCanvasElement} canvas gets the size of a thumbnail
 * @param {ReturnType<typeof framed>} picture
 * @param {Grid} grid of the whole picture
 * @param {number} strength 0..1
 */
export function drawLook(canvas, { image, left, top }, grid, strength) {
  const drawn = new ImageData(image.data.slice(), image.width);
  applyGrid(drawn, blendGrids(identityGrid(grid.shape), grid, strength), left, left + WIDTH);
  Object.assign(canvas, { width: WIDTH, height: HEIGHT });
  context2d(canvas).putImageData(drawn, -left, -top);
}

/**
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {HTMLCanvasElement}
 */
function canvasOf(width, height) {
  return Object.assign(document.createElement('canvas'), { width, height });
}
