/**
 * Dense optical flow by inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016):
 * from coarse to fine, small overlapping patches of one picture are searched for in another.
 */

import { PATCH, PatchSearch } from './patches.js';
import { clamp, halve, medians, pad, sample } from './planes.js';

const STRIDE = 4;
/** The shortest side that a level may have, in pixels: on a smaller one, a few patches would decide for all. */
const MIN_SIDE = 12;
/** A field without motion. */
const STILL = { width: 1, height: 1, u: new Float32Array(1), v: new Float32Array(1) };

/** @typedef {import('./planes.js').Plane} Plane */

/**
 * Where each pixel of one picture lies in another: one displacement per pixel, in pixels of the field's own size.
 * @typedef {object} Field
 * @property {number} width
 * @property {number} height
 * @property {Float32Array} u to the right
 * @property {Float32Array} v down
 */

/**
 * A picture, its half, the half of that, and so on, as long as no side is shorter than MIN_SIDE.
 * @param {Plane} luma 0..255, with sides of at least 16
 * @returns {Plane[]} the finest first
 */
export function buildPyramid(luma) {
  const levels = [luma];
  while (Math.min(luma.width, luma.height) >> levels.length >= MIN_SIDE) levels.push(halve(levels[levels.length - 1]));
  return levels;
}

/**
 * The flow from one picture to another.
 * @param {Plane[]} from pyramid
 * @param {Plane[]} to pyramid of the same size
 * @param {Field|null} [guess] a flow that may be close, such as the previous frame's, of any size
 * @param {number} [finest] the level to stop at; the coarsest one if the pyramid has no such level
 * @returns {Field} in that level's size
 */
export function estimateFlow(from, to, guess = null, finest = 1) {
  /** @type {Field} */
  let field = STILL;
  for (let level = from.length - 1; level >= Math.min(finest, from.length - 1); level--) {
    const { width, height, u, v } = searchLevel(from[level], to[level], guess ? [field, guess] : [field]);
    /** @type {(pixels: Float32Array) => Float32Array} */
    const smooth = (pixels) => medians({ width, height, pixels }).pixels;
    field = { width, height, u: smooth(u), v: smooth(v) };
  }
  return field;
}

/**
 * How well the backward flow confirms the forward one, after Sundaram, Brox and Keutzer (ECCV 2010), with a soft edge.
 * @param {Field} forward
 * @param {Field} backward of any size
 * @returns {Float32Array} the validity of each pixel, from 0 (it is hidden in the other picture) to 1
 */
export function confirm({ width, height, u, v }, backward) {
  const weights = new Float32Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const [backU, backV] = flowAt(backward, (x + u[i] + 0.5) / width, (y + v[i] + 0.5) / height, width, height);
      const lengths = u[i] ** 2 + v[i] ** 2 + backU ** 2 + backV ** 2;
      const gap = (u[i] + backU) ** 2 + (v[i] + backV) ** 2;
      weights[i] = clamp(2 - gap / (0.01 * lengths + 0.5), 0, 1);
    }
  }
  return weights;
}

/**
 * Search one level: each patch finds its displacement, and each pixel takes the mean of its patches' displacements.
 * @param {Plane} from
 * @param {Plane} to
 * @param {Field[]} guesses of any size
 * @returns {Field}
 */
function searchLevel(from, to, guesses) {
  const { width, height } = from;
  const search = new PatchSearch(from, pad(to, PATCH));
  const [u, v, weights] = Array.from({ length: 3 }, () => new Float32Array(width * height));
  for (const top of patchStarts(height)) {
    for (const left of patchStarts(width)) {
      const [x, y] = [(left + PATCH / 2) / width, (top + PATCH / 2) / height];
      search.take(left, top);
      search.spread(search.find(guesses.map((guess) => flowAt(guess, x, y, width, height))), u, v, weights);
    }
  }
  for (let i = 0; i < weights.length; i++) {
    u[i] /= weights[i];
    v[i] /= weights[i];
  }
  return { width, height, u, v };
}

/**
 * Where patches begin along a side: every STRIDE pixels, and once more if the last of these does not reach the end.
 * @param {number} length in pixels
 * @returns {number[]}
 */
function patchStarts(length) {
  const last = length - PATCH;
  const starts = Array.from({ length: Math.floor(last / STRIDE) + 1 }, (_, index) => STRIDE * index);
  return last % STRIDE ? [...starts, last] : starts;
}

/**
 * The displacement at a place 0..1, in pixels of a picture of the given size.
 * @param {Field} field
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @returns {[number, number]}
 */
function flowAt(field, x, y, width, height) {
  const { u, v } = field;
  return [(sample(field, u, x, y) * width) / field.width, (sample(field, v, x, y) * height) / field.height];
}
