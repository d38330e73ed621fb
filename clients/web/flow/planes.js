/** Halves, resizes, pads and smooths pictures of one number per pixel. */

/**
 * @typedef {object} Plane
 * @property {number} width
 * @property {number} height
 * @property {ArrayLike<number>} pixels row by row
 */

/** @typedef {{width: number, height: number, pixels: Float32Array}} FloatPlane a Plane that we computed */

/**
 * A picture of half the size, by the means of 2x2 pixels. An odd side loses its last column or row.
 * @param {Plane} plane
 * @returns {FloatPlane}
 */
export function halve({ width, height, pixels }) {
  const half = { width: width >> 1, height: height >> 1, pixels: new Float32Array((width >> 1) * (height >> 1)) };
  for (let y = 0, i = 0; y < half.height; y++) {
    for (let x = 0, at = 2 * y * width; x < half.width; x++, at += 2) {
      half.pixels[i++] = (pixels[at] + pixels[at + 1] + pixels[at + width] + pixels[at + width + 1]) / 4;
    }
  }
  return half;
}

/**
 * A picture in another size. It is interpolated, with the pixels' centres at (k + 0.5) / n, and edges are clamped.
 * @param {Plane} plane
 * @param {number} width
 * @param {number} height
 * @returns {Plane}
 */
export function resize(plane, width, height) {
  if (plane.width === width && plane.height === height) return plane;
  const resized = new Float32Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      resized[i] = sample(plane, plane.pixels, (x + 0.5) / width, (y + 0.5) / height);
    }
  }
  return { width, height, pixels: resized };
}

/**
 * The value at a place 0..1, interpolated between the pixels as in `resize`.
 * @param {{width: number, height: number}} size
 * @param {ArrayLike<number>} pixels of that size
 * @param {number} x
 * @param {number} y
 * @returns {number}
 */
export function sample({ width, height }, pixels, x, y) {
  const column = clamp(x * width - 0.5, 0, width - 1);
  const row = clamp(y * height - 0.5, 0, height - 1);
  const left = Math.floor(column);
  const i = Math.floor(row) * width + left;
  const right = left < width - 1 ? i + 1 : i;
  const down = row < height - 1 ? width : 0;
  const upper = pixels[i] + (column - left) * (pixels[right] - pixels[i]);
  const lower = pixels[i + down] + (column - left) * (pixels[right + down] - pixels[i + down]);
  return upper + (row - Math.floor(row)) * (lower - upper);
}

/**
 * A picture with a border that repeats its edges.
 * @param {Plane} plane
 * @param {number} border in pixels, to the left and above; one more to the right and below
 * @returns {FloatPlane}
 */
export function pad({ width, height, pixels }, border) {
  const [paddedWidth, paddedHeight] = [width + 2 * border + 1, height + 2 * border + 1];
  const padded = new Float32Array(paddedWidth * paddedHeight);
  for (let y = 0, i = 0; y < paddedHeight; y++) {
    const row = width * clamp(y - border, 0, height - 1);
    for (let x = 0; x < paddedWidth; x++) padded[i++] = pixels[row + clamp(x - border, 0, width - 1)];
  }
  return { width: paddedWidth, height: paddedHeight, pixels: padded };
}

/**
 * A picture blurred by a Gaussian of standard deviation 2, which is made of four binomial filters.
 * @param {FloatPlane} plane
 * @returns {FloatPlane}
 */
export function blur({ width, height, pixels }) {
  let blurred = pixels;
  for (let pass = 0; pass < 4; pass++) blurred = binomial(binomial(blurred, width, height), height, width);
  return { width, height, pixels: blurred };
}

/**
 * Filter the rows by 1 4 6 4 1 and transpose the result, so that two calls filter both axes.
 * @param {Float32Array} pixels
 * @param {number} width
 * @param {number} height
 * @returns {Float32Array}
 */
function binomial(pixels, width, height) {
  const result = new Float32Array(pixels.length);
  for (let y = 0; y < height; y++) {
    /** @type {(x: number) => number} */
    const at = (x) => pixels[y * width + clamp(x, 0, width - 1)];
    for (let x = 0; x < width; x++) {
      result[x * height + y] = (at(x - 2) + at(x + 2) + 4 * (at(x - 1) + at(x + 1)) + 6 * at(x)) / 16;
    }
  }
  return result;
}

/**
 * The median of each pixel's 3x3 neighbourhood. Columns of three are sorted once and used for three pixels.
 * @param {Plane} plane
 * @returns {FloatPlane}
 */
export function medians({ width, height, pixels }) {
  const result = new Float32Array(pixels.length);
  const [low, middle, high] = Array.from({ length: 3 }, () => new Float32Array(width + 2));
  for (let y = 0; y < height; y++) {
    const row = y * width;
    const above = y > 0 ? row - width : row;
    const below = y < height - 1 ? row + width : row;
    for (let x = -1; x <= width; x++) {
      const column = x < 0 ? 0 : x < width ? x : width - 1;
      const [a, b, c] = [pixels[above + column], pixels[row + column], pixels[below + column]];
      middle[x + 1] = median(a, b, c);
      low[x + 1] = least(a, b, c);
      high[x + 1] = largest(a, b, c);
    }
    for (let x = 0; x < width; x++) {
      result[row + x] = median(
        largest(low[x], low[x + 1], low[x + 2]),
        median(middle[x], middle[x + 1], middle[x + 2]),
        least(high[x], high[x + 1], high[x + 2]),
      );
    }
  }
  return { width, height, pixels: result };
}

// These are comparisons because Math.min and Math.max also consider NaN and -0, and are twice as slow here.

/** @type {(a: number, b: number, c: number) => number} */
function least(a, b, c) {
  return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/** @type {(a: number, b: number, c: number) => number} */
function largest(a, b, c) {
  return a > b ? (a > c ? a : c) : (b > c ? b : c);
}

/** @type {(a: number, b: number, c: number) => number} */
function median(a, b, c) {
  if (a > b) return b > c ? b : a > c ? c : a;
  return a > c ? a : b > c ? c : b;
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {number}
 */
export function clamp(value, low, high) {
  return value < low ? low : value > high ? high : value;
}
