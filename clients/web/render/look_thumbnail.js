/** Draws small pictures of a frame in a look, on the CPU: a thumbnail has few pixels, and the GPU is left to the picture. */

import { context2d } from '../basics/canvas.js';
import { applyGrid, blendGrids, identityGrid } from './grid.js';

/** @typedef {import('./grid.js').Grid} Grid */

/** The side of a thumbnail in pixels: twice that of a tile, for sharp displays. */
export const SIDE = 144;

/**
 * The middle of a picture, as a square of SIDE pixels.
 * @param {ImageData} picture
 * @returns {{image: ImageData, width: number, height: number, left: number, top: number}} the picture, scaled so that its
 *   shorter side has SIDE pixels, and where the square begins
 */
export function framed(picture) {
  const scale = SIDE / Math.min(picture.width, picture.height);
  const [width, height] = [picture.width, picture.height].map((length) => Math.round(length * scale));
  const whole = canvasOf(picture.width, picture.height);
  context2d(whole).putImageData(picture, 0, 0);
  const context = context2d(canvasOf(width, height), { willReadFrequently: true });
  context.drawImage(whole, 0, 0, width, height);
  const [left, top] = [Math.round((width - SIDE) / 2), Math.round((height - SIDE) / 2)];
  return { image: context.getImageData(0, 0, width, height), width, height, left, top };
}

/**
 * Draw a framed picture in a look.
 * @param {HTMLCanvasElement} canvas gets SIDE pixels along each side
 * @param {ReturnType<typeof framed>} picture
 * @param {Grid} grid of the whole picture
 * @param {number} strength 0..1
 */
export function drawLook(canvas, { image, width, left, top }, grid, strength) {
  const drawn = new ImageData(image.data.slice(), width);
  applyGrid(drawn, blendGrids(identityGrid(grid.shape), grid, strength), left, left + SIDE);
  Object.assign(canvas, { width: SIDE, height: SIDE });
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
