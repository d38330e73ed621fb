/** Whether two consecutive frames belong to different scenes. The twin of `is_cut` in pipeline/key_frames/selector.py. */

/** The longer side of a thumbnail, in pixels. */
const SIDE = 64;
const BINS = 32;
/** A cut moves this share of pixels to other bins of a histogram, and by this many levels on average. */
const [CUT_SHARE, CUT_LEVELS] = [0.3, 8];
/** The same for two frames that are far apart: half of a cut. A moving camera changes less, light and people more. */
const [CHANGED_SHARE, CHANGED_LEVELS] = [0.15, 5];
/** Y, U and V of R, G and B, in the range that video has, and what is added: ITU-R BT.601. */
const YUV = [[0.257, 0.504, 0.098, 16], [-0.148, -0.291, 0.439, 128], [0.439, -0.368, -0.071, 128]];

/**
 * As much of a frame as the decision needs: for each of Y, U and V the values of all pixels, 0..255.
 * @typedef {[Uint8Array, Uint8Array, Uint8Array]} Thumbnail
 */

/**
 * The thumbnail of a small picture. Each of its pixels is the mean of four of the picture's.
 * @param {import('../basics/canvas.js').Pixels} picture
 * @returns {Thumbnail}
 */
export function thumbnailOf({ data, width, height }) {
  const scale = SIDE / Math.max(width, height);
  const [columns, rows] = [width, height].map((length) => Math.max(1, Math.round(length * scale)));
  /** @type {Thumbnail} */
  const planes = [new Uint8Array(columns * rows), new Uint8Array(columns * rows), new Uint8Array(columns * rows)];
  for (let row = 0, i = 0; row < rows; row++) {
    const upper = Math.floor(((row + 0.25) * height) / rows) * width;
    const lower = Math.floor(((row + 0.75) * height) / rows) * width;
    for (let column = 0; column < columns; column++, i++) {
      const left = Math.floor(((column + 0.25) * width) / columns);
      const right = Math.floor(((column + 0.75) * width) / columns);
      const [a, b, c, d] = [4 * (upper + left), 4 * (upper + right), 4 * (lower + left), 4 * (lower + right)];
      const red = (data[a] + data[b] + data[c] + data[d]) / 4;
      const green = (data[a + 1] + data[b + 1] + data[c + 1] + data[d + 1]) / 4;
      const blue = (data[a + 2] + data[b + 2] + data[c + 2] + data[d + 2]) / 4;
      for (let plane = 0; plane < 3; plane++) {
        const [r, g, b, offset] = YUV[plane];
        planes[plane][i] = r * red + g * green + b * blue + offset + 0.5;
      }
    }
  }
  return planes;
}

/**
 * @param {Thumbnail} before
 * @param {Thumbnail} after
 * @returns {boolean}
 */
export function isCut(before, after) {
  if (before[0].length !== after[0].length) return true;
  const isSteady = before.every((plane, i) => distance(plane, after[i]) <= CUT_LEVELS * plane.length);
  if (isSteady) return false; // then neither histogram has moved by that much
  return before.some((plane, i) => hasMoved(histogram(plane), histogram(after[i]), CUT_SHARE, CUT_LEVELS));
}

/**
 * Whether two frames that may be far apart show something else, or in another light.
 * @param {Thumbnail} before
 * @param {Thumbnail} after
 * @returns {boolean}
 */
export function hasChanged(before, after) {
  if (before[0].length !== after[0].length) return true;
  return before.some((plane, i) => hasMoved(histogram(plane), histogram(after[i]), CHANGED_SHARE, CHANGED_LEVELS));
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b of the same length
 * @returns {number} the sum of absolute differences
 */
function distance(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum;
}

/**
 * @param {number[]} before
 * @param {number[]} after
 * @param {number} leastShare of the pixels
 * @param {number} leastLevels on average
 * @returns {boolean} whether more pixels than that moved to other bins, and further
 */
function hasMoved(before, after, leastShare, leastLevels) {
  let [share, levels, surplus] = [0, 0, 0];
  for (let bin = 0; bin < BINS; bin++) {
    const change = before[bin] - after[bin];
    surplus += change;
    share += Math.abs(change) / 2;
    levels += (Math.abs(surplus) * 256) / BINS;
  }
  return share > leastShare && levels > leastLevels;
}

/**
 * The share of pixels in each bin. Each level is shared between the two bins next to it, so that small changes of
 * level move little.
 * @param {Uint8Array} plane
 * @returns {number[]}
 */
function histogram(plane) {
  const bins = new Array(BINS).fill(0);
  for (const level of plane) {
    const place = Math.min(BINS - 1, Math.max(0, ((level + 0.5) * BINS) / 256 - 0.5));
    const lower = Math.floor(place);
    const upper = Math.min(BINS - 1, lower + 1);
    bins[lower] += 1 - (place - lower);
    bins[upper] += place - lower;
  }
  return bins.map((count) => count / plane.length);
}
