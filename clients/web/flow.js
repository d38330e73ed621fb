/**
 * Dense optical flow by inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016):
 * from coarse to fine, small overlapping patches of one picture look for themselves in another.
 */

import { PATCH, PatchSearch } from './patches.js';
import { clamp, halve, medians, pad, sample } from './planes.js';

const STRIDE = 4;
/** The least shorter side of a level: on fewer pixels a few patches would decide for all. */
const MIN_SIDE = 12;
const STILL = { width: 1, height: 1, u: [0], v: [0] };

/** @typedef {import('./planes.js').Plane} Plane */

/**
 * How far away the pixels of one picture are in another, in pixels of its own size.
 * @typedef {object} Field
 * @property {number} width
 * @property {number} height
 * @property {Float32Array} u to the right
 * @property {Float32Array} v down
 */

/**
 * A picture, its half, the half of that, as long as they can tell motion.
 * @param {Plane} luma 0..255, sides of at least 16
 * @returns {Plane[]} the finest first
 */
export function buildPyramid(luma) {
  const levels = [luma];
  while (Math.min(luma.width, luma.height) >> levels.length >= MIN_SIDE) levels.push(halve(levels.at(-1)));
  return levels;
}

/**
 * The flow from one picture to another.
 * @param {Plane[]} from pyramid
 * @param {Plane[]} to pyramid of the same size
 * @param {Field|null} guess a flow that may be near, as the previous frame's, of any size
 * @param {number} finest the level to stop at, where there are that many
 * @returns {Field} of that level's size
 */
export function estimateFlow(from, to, guess = null, finest = 1) {
  let field = STILL;
  for (let level = from.length - 1; level >= Math.min(finest, from.length - 1); level--) {
    const { width, height, u, v } = searchLevel(from[level], to[level], guess ? [field, guess] : [field]);
    const smooth = (pixels) => medians({ width, height, pixels }).pixels;
    field = { width, height, u: smooth(u), v: smooth(v) };
  }
  return field;
}

/**
 * How far the flow is confirmed by the flow back, after Sundaram, Brox and Keutzer (ECCV 2010), with a soft edge.
 * @param {Field} forward
 * @param {Field} backward of any size
 * @returns {Float32Array} for each pixel 0 (hidden in the other picture) to 1
 */
export function confirm({ width, height, u, v }, backward) {
  const weights = new Float32Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const [backU, backV] = moveAt(backward, (x + u[i] + 0.5) / width, (y + v[i] + 0.5) / height, width, height);
      const lengths = u[i] ** 2 + v[i] ** 2 + backU ** 2 + backV ** 2;
      const gap = (u[i] + backU) ** 2 + (v[i] + backV) ** 2;
      weights[i] = clamp(2 - gap / (0.01 * lengths + 0.5), 0, 1);
    }
  }
  return weights;
}

/** Each patch finds its move; each pixel takes the mean of its patches' moves. */
function searchLevel(from, to, guesses) {
  const { width, height } = from;
  const search = new PatchSearch(from, pad(to, PATCH));
  const [u, v, weights] = Array.from({ length: 3 }, () => new Float32Array(width * height));
  for (const top of patchStarts(height)) {
    for (const left of patchStarts(width)) {
      const [x, y] = [(left + PATCH / 2) / width, (top + PATCH / 2) / height];
      const moves = guesses.map((guess) => moveAt(guess, x, y, width, height));
      search.take(left, top);
      search.spread(search.find(moves), u, v, weights);
    }
  }
  for (let i = 0; i < weights.length; i++) {
    u[i] /= weights[i];
    v[i] /= weights[i];
  }
  return { width, height, u, v };
}

/** Every STRIDE pixels, and once more at the end, where the last patch may not reach it. */
function patchStarts(length) {
  const last = length - PATCH;
  const starts = Array.from({ length: Math.floor(last / STRIDE) + 1 }, (_, index) => STRIDE * index);
  return last % STRIDE ? [...starts, last] : starts;
}

/** A field's move at a place 0..1, in pixels of a picture of the given size. */
function moveAt(field, x, y, width, height) {
  const { u, v } = field;
  return [(sample(field, u, x, y) * width) / field.width, (sample(field, v, x, y) * height) / field.height];
}
