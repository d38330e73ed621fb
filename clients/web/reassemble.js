/**
 * Bilateral grids of colour transforms: reading, blending and applying them.
 * The twin of clients/reassemble.py. A grid is looked up at (x, y, luma) with texture conventions: cell centres
 * lie at (k + 0.5) / n, and the edges are clamped.
 */

/**
 * @typedef {object} Grid
 * @property {[number, number, number]} size luma depth D, rows R, columns C
 * @property {Float32Array} coefficients [3, D, R, C, 4]: for each output channel a factor for r, g, b and an offset
 */

const MAX_SIDE = 64;
const LUMA = [0.299, 0.587, 0.114];
/** Flows bend gently: each step leaves a small share of the error. */
const INVERSION_STEPS = 4;

/**
 * Read a grid from the wire.
 * @param {unknown} size what the header claims: [D, R, C]
 * @param {Uint8Array} bytes little-endian float16
 * @returns {Grid|null} null when the size and the bytes disagree or a number is not finite
 */
export function decodeGrid(size, bytes) {
  if (!Array.isArray(size) || size.length !== 3) return null;
  if (!size.every((side) => Number.isInteger(side) && side > 0 && side <= MAX_SIDE)) return null;
  const count = coefficientCount(size);
  if (bytes.length !== 2 * count) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const coefficients = Float32Array.from({ length: count }, (_, index) => halfToFloat(view.getUint16(2 * index, true)));
  return coefficients.every(Number.isFinite) ? { size: [...size], coefficients } : null;
}

/**
 * The grid that leaves every colour as it is.
 * @param {[number, number, number]} size
 * @returns {Grid}
 */
export function identityGrid(size) {
  const coefficients = new Float32Array(coefficientCount(size));
  const channelLength = coefficients.length / 3;
  for (let channel = 0; channel < 3; channel++) {
    for (let cell = 0; cell < channelLength; cell += 4) coefficients[channel * channelLength + cell + channel] = 1;
  }
  return { size: [...size], coefficients };
}

/**
 * (1 - t) a + t b. Colours are linear in the coefficients, so blending grids blends the pictures.
 * @param {Grid} a
 * @param {Grid} b of the same size
 * @param {number} t 0..1
 * @returns {Grid}
 */
export function blendGrids(a, b, t) {
  const coefficients = a.coefficients.map((value, index) => value + t * (b.coefficients[index] - value));
  return { size: [...b.size], coefficients };
}

/**
 * @param {Grid} a
 * @param {Grid} b
 * @returns {boolean}
 */
export function sameSize(a, b) {
  return a.size.every((side, axis) => side === b.size[axis]);
}

/**
 * Apply a grid to pixels in place, on the CPU.
 * @param {ImageData} image
 * @param {Grid} grid
 * @param {number} [from] first column to change
 * @param {number} [to] column to stop before
 */
export function applyGrid(image, grid, from = 0, to = image.width) {
  const [depth, rows, columns] = grid.size;
  const across = Array.from({ length: image.width }, (_, x) => cellsAt((x + 0.5) / image.width, columns));
  const slice = new Float32Array(12 * depth * columns);
  for (let y = 0; y < image.height; y++) {
    sliceRow(slice, grid, cellsAt((y + 0.5) / image.height, rows));
    for (let x = from; x < to; x++) {
      applySlice(image.data, 4 * (y * image.width + x), slice, depth, columns, across[x]);
    }
  }
}

/**
 * The grid of an older key frame as it lies in a newer one, so that both can be looked up along one flow and blended.
 * @param {Grid} grid of the older key frame
 * @param {import('./tracker.js').Flow} toNewer from a frame that was compared with both
 * @param {import('./tracker.js').Flow} toOlder
 * @returns {Grid}
 */
export function realign({ size, coefficients }, toNewer, toOlder) {
  const [depth, rows, columns] = size;
  const moved = new Float32Array(coefficients.length);
  for (let cell = 0; cell < rows * columns; cell++) {
    const [x, y] = [((cell % columns) + 0.5) / columns, (Math.floor(cell / columns) + 0.5) / rows];
    const [left, top] = placeIn(toOlder, ...frameOf(x, y, toNewer));
    for (let plane = 0; plane < 3 * depth; plane++) {
      const at = 4 * plane * rows * columns;
      const layer = coefficients.subarray(at, at + 4 * rows * columns);
      for (let k = 0; k < 4; k++) moved[at + 4 * cell + k] = between(layer, rows, columns, left, top, k);
    }
  }
  return { size, coefficients: moved };
}

/** Where in the frame a place of the key frame came to lie: the flow's inverse, by fixed-point steps. */
function frameOf(x, y, flow) {
  let [left, top] = [x, y];
  for (let step = 0; step < INVERSION_STEPS; step++) {
    const [movedX, movedY] = placeIn(flow, left, top);
    left += x - movedX;
    top += y - movedY;
  }
  return [left, top];
}

/** Where in the key frame a place of the frame was, as far as the flow is sure of it. */
function placeIn({ width, height, moves }, x, y) {
  const [dx, dy, validity] = [0, 1, 2].map((k) => between(moves, height, width, x, y, k));
  return [x + validity * dx, y + validity * dy];
}

/** Value k of four, at a place between the cells. */
function between(values, rows, columns, x, y, k) {
  const [across, down] = [cellsAt(x, columns), cellsAt(y, rows)];
  const at = (row, column) => values[4 * (row * columns + column) + k];
  const upper = at(down.low, across.low) + across.t * (at(down.low, across.high) - at(down.low, across.low));
  const lower = at(down.high, across.low) + across.t * (at(down.high, across.high) - at(down.high, across.low));
  return upper + down.t * (lower - upper);
}

/** Interpolate the grid's rows into one [3, D, C, 4] slice, shared by a whole row of pixels. */
function sliceRow(slice, { size: [depth, rows, columns], coefficients }, { low, high, t }) {
  const rowLength = 4 * columns;
  for (let plane = 0; plane < 3 * depth; plane++) {
    const a = (plane * rows + low) * rowLength;
    const b = (plane * rows + high) * rowLength;
    for (let i = 0; i < rowLength; i++) {
      slice[plane * rowLength + i] = coefficients[a + i] + t * (coefficients[b + i] - coefficients[a + i]);
    }
  }
}

/** Transform one pixel. Unrolled and without allocation: it runs for every pixel of every frame. */
function applySlice(data, at, slice, depth, columns, { low, high, t }) {
  const [r, g, b] = [data[at], data[at + 1], data[at + 2]];
  const level = Math.min(Math.max(((LUMA[0] * r + LUMA[1] * g + LUMA[2] * b) / 255) * depth - 0.5, 0), depth - 1);
  const below = Math.floor(level);
  const above = Math.min(below + 1, depth - 1);
  const s = level - below;
  for (let channel = 0; channel < 3; channel++) {
    const lower = (channel * depth + below) * columns;
    const upper = (channel * depth + above) * columns;
    const weighted = (1 - s) * (1 - t) * shade(slice, 4 * (lower + low), r, g, b)
      + (1 - s) * t * shade(slice, 4 * (lower + high), r, g, b)
      + s * (1 - t) * shade(slice, 4 * (upper + low), r, g, b)
      + s * t * shade(slice, 4 * (upper + high), r, g, b);
    data[at + channel] = weighted; // a clamped array: rounds, and clips to 0..255
  }
}

function shade(slice, i, r, g, b) {
  return slice[i] * r + slice[i + 1] * g + slice[i + 2] * b + slice[i + 3] * 255;
}

/** The two cells around a position 0..1, and how far it is from the lower to the higher one. */
function cellsAt(position, count) {
  const cell = Math.min(Math.max(position * count - 0.5, 0), count - 1);
  const low = Math.floor(cell);
  return { low, high: Math.min(low + 1, count - 1), t: cell - low };
}

function coefficientCount([depth, rows, columns]) {
  return 3 * depth * rows * columns * 4;
}

function halfToFloat(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15) : sign * fraction * 2 ** -24;
}
