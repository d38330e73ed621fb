/**
 * Bilateral grids of colour transforms: blending, carrying and applying them.
 * The twin of clients/reassemble.py. A grid is looked up at (x, y, luma) with texture conventions: cell centres
 * lie at (k + 0.5) / n, and the edges are clamped.
 */

/**
 * @typedef {object} Grid
 * @property {[number, number, number]} size luma depth D, rows R, columns C
 * @property {Float32Array} coefficients [3, D, R, C, 4]: for each output channel a factor for r, g, b and an offset
 */

/** @typedef {Pick<import('./tracker.js').Flow, 'width'|'height'|'moves'>} Moves */

const LUMA = [0.299, 0.587, 0.114];
/** Cells of a carried grid for each one, each way. Odd: their centres coincide, so that standing still is exact. */
const FINER = 3;
/** Flows bend gently: each step leaves a small share of the error. */
const INVERSION_STEPS = 4;
/** Of a frame of whose motion nothing is known. */
const STILL = { width: 1, height: 1, moves: [0, 0, 1, 0] };

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
  const coefficients = new Float32Array(b.coefficients.length);
  for (let i = 0; i < coefficients.length; i++) {
    coefficients[i] = a.coefficients[i] + t * (b.coefficients[i] - a.coefficients[i]);
  }
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
 * A grid in finer cells, as it lies in another key frame: both can then be looked up along one flow, and blended.
 * Where the flow to the older key frame is not sure of itself the grid is taken in place, as it was shown.
 * @param {Grid} grid of the older key frame
 * @param {[number, number, number]} size of the grids to blend it with; the rows and columns become FINER times as many
 * @param {Moves} toNewer from a frame to the newer key frame
 * @param {Moves} toOlder from the same frame to the older one
 * @returns {Grid}
 */
export function carryGrid(grid, [depth, coarseRows, coarseColumns], toNewer = STILL, toOlder = STILL) {
  const [rows, columns] = [FINER * coarseRows, FINER * coarseColumns];
  const carried = { size: [depth, rows, columns], coefficients: new Float32Array(12 * depth * rows * columns) };
  for (let row = 0, cell = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, cell++) {
      const [x, y] = invert(toNewer, (column + 0.5) / columns, (row + 0.5) / rows);
      const [dx, dy, validity] = moveAt(toOlder, x, y);
      if (validity < 1) carryCell(grid, around(grid, x, y, 1 - validity), carried, cell);
      carryCell(grid, around(grid, x + dx, y + dy, validity), carried, cell);
    }
  }
  return carried;
}

/** Where in the frame a place of the key frame came to lie: the flow's inverse, by fixed-point steps. */
function invert(flow, x, y) {
  let [left, top] = [x, y];
  for (let step = 0; step < INVERSION_STEPS; step++) {
    const [dx, dy] = moveAt(flow, left, top);
    left = x - dx;
    top = y - dy;
  }
  return [left, top];
}

function moveAt({ width, height, moves }, x, y) {
  const corners = around({ size: [1, height, width] }, x, y, 1);
  return [0, 1, 2].map((k) => corners.reduce((sum, [cell, weight]) => sum + weight * moves[4 * cell + k], 0));
}

/** The four cells around a place 0..1 and their weights, which sum to `share`. */
function around({ size: [, rows, columns] }, x, y, share) {
  const [across, down] = [cellsAt(x, columns), cellsAt(y, rows)];
  const [upper, lower] = [share * (1 - down.t), share * down.t];
  return [
    [down.low * columns + across.low, upper * (1 - across.t)],
    [down.low * columns + across.high, upper * across.t],
    [down.high * columns + across.low, lower * (1 - across.t)],
    [down.high * columns + across.high, lower * across.t],
  ];
}

/** Add four weighted cells of one grid to a cell of another, in all its layers. */
function carryCell(from, [[p, pWeight], [q, qWeight], [r, rWeight], [s, sWeight]], to, toCell) {
  const [values, sums] = [from.coefficients, to.coefficients];
  const [fromLayer, toLayer] = [from, to].map(({ size: [, rows, columns] }) => 4 * rows * columns);
  for (let a = 0, b = 4 * toCell; b < sums.length; a += fromLayer, b += toLayer) {
    for (let k = 0; k < 4; k++) {
      sums[b + k] += pWeight * values[a + 4 * p + k] + qWeight * values[a + 4 * q + k]
        + rWeight * values[a + 4 * r + k] + sWeight * values[a + 4 * s + k];
    }
  }
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

/**
 * @param {[number, number, number]} size
 * @returns {number}
 */
export function coefficientCount([depth, rows, columns]) {
  return 3 * depth * rows * columns * 4;
}
