/**
 * Blends, carries and applies bilateral grids of colour transforms. The twin of clients/reassembly/grid.py.
 * A grid is sampled at (x, y, luma) like a texture: cell centres lie at (k + 0.5) / n, and edges are clamped.
 */

/** @typedef {[depth: number, rows: number, columns: number]} GridShape D cells of luma, R rows, C columns */

/**
 * @typedef {object} Grid
 * @property {GridShape} shape
 * @property {Float32Array} coefficients [3, D, R, C, 4]: per output channel, factors for r, g and b and an offset
 */

/** @typedef {Pick<import('../flow/tracker.js').Flow, 'width'|'height'|'normalizedFlow'>} NormalizedFlow */

/**
 * Two cells on an axis, and how far (0..1) a place is from the lower to the higher one.
 * @typedef {{low: number, high: number, t: number}} Neighbours
 */

/** @typedef {[cell: number, weight: number]} WeightedCell */

const LUMA = [0.299, 0.587, 0.114];
/** A carried grid has this many times the rows and columns. It is odd, so that cell centres coincide without motion. */
const FINER = 3;
/** Flows vary slowly from place to place, so each fixed-point step leaves only a small share of the error. */
const INVERSION_STEPS = 4;
/** The flow of a frame whose motion is unknown: no motion, which is valid everywhere. */
const STILL = { width: 1, height: 1, normalizedFlow: new Float32Array([0, 0, 1, 0]) };

/**
 * The grid that leaves every colour as it is.
 * @param {GridShape} shape
 * @returns {Grid}
 */
export function identityGrid(shape) {
  const coefficients = new Float32Array(coefficientCount(shape));
  const channelLength = coefficients.length / 3;
  for (let channel = 0; channel < 3; channel++) {
    for (let cell = 0; cell < channelLength; cell += 4) coefficients[channel * channelLength + cell + channel] = 1;
  }
  return { shape: [...shape], coefficients };
}

/**
 * (1 - t) a + t b. Colours are linear in the coefficients, so blending grids blends the pictures.
 * @param {Grid} a
 * @param {Grid} b of the same shape
 * @param {number} t 0..1
 * @returns {Grid}
 */
export function blendGrids(a, b, t) {
  const coefficients = new Float32Array(b.coefficients.length);
  for (let i = 0; i < coefficients.length; i++) {
    coefficients[i] = a.coefficients[i] + t * (b.coefficients[i] - a.coefficients[i]);
  }
  return { shape: [...b.shape], coefficients };
}

/**
 * Take a grid apart that holds several, one below the other.
 * @param {Grid} grid
 * @param {number} count of the grids in it; each has the same number of rows
 * @returns {Grid[]} from top to bottom
 */
export function splitRows({ shape: [depth, rows, columns], coefficients }, count) {
  const length = (4 * columns * rows) / count; // of one part in one layer
  return Array.from({ length: count }, (_, part) => {
    const own = new Float32Array(3 * depth * length);
    for (let layer = 0; layer < 3 * depth; layer++) {
      const at = (layer * count + part) * length;
      own.set(coefficients.subarray(at, at + length), layer * length);
    }
    return { shape: [depth, rows / count, columns], coefficients: own };
  });
}

/**
 * Whether two grids have the same number of cells on each axis.
 * @param {Grid} a
 * @param {Grid} b
 * @returns {boolean}
 */
export function sameShape(a, b) {
  return a.shape.every((side, axis) => side === b.shape[axis]);
}

/**
 * Apply a grid to pixels in place, on the CPU.
 * @param {ImageData} image
 * @param {Grid} grid
 * @param {number} [from] first column to change
 * @param {number} [to] column to stop before
 */
export function applyGrid(image, grid, from = 0, to = image.width) {
  const [depth, rows, columns] = grid.shape;
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
 * A key frame's grid, warped into another key frame, with more and finer cells. Then both grids can be blended, and
 * sampled along one flow. Where the flow to the older key frame is not valid, the grid is not moved.
 * @param {Grid} grid of the older key frame
 * @param {GridShape} shape of the grid to blend it with; the result has FINER times its rows and columns
 * @param {NormalizedFlow} [toNewer] from a frame to the newer key frame
 * @param {NormalizedFlow} [toOlder] from the same frame to the older one
 * @returns {Grid}
 */
export function carryGrid(grid, [depth, coarseRows, coarseColumns], toNewer = STILL, toOlder = STILL) {
  const [rows, columns] = [FINER * coarseRows, FINER * coarseColumns];
  /** @type {Grid} */
  const carried = { shape: [depth, rows, columns], coefficients: new Float32Array(12 * depth * rows * columns) };
  for (let row = 0, cell = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, cell++) {
      const [x, y] = invert(toNewer, (column + 0.5) / columns, (row + 0.5) / rows);
      const [dx, dy, validity] = flowAt(toOlder, x, y);
      if (validity < 1) carryCell(grid, around(grid, x, y, 1 - validity), carried, cell);
      carryCell(grid, around(grid, x + dx, y + dy, validity), carried, cell);
    }
  }
  return carried;
}

/**
 * Where a place of the key frame lies in the frame: the inverse of the flow, by fixed-point steps.
 * @param {NormalizedFlow} flow from the frame to the key frame
 * @param {number} x 0..1
 * @param {number} y 0..1
 * @returns {[number, number]}
 */
function invert(flow, x, y) {
  let [left, top] = [x, y];
  for (let step = 0; step < INVERSION_STEPS; step++) {
    const [dx, dy] = flowAt(flow, left, top);
    left = x - dx;
    top = y - dy;
  }
  return [left, top];
}

/**
 * The flow's vector at a place.
 * @param {NormalizedFlow} flow
 * @param {number} x 0..1
 * @param {number} y 0..1
 * @returns {number[]} dx, dy and validity
 */
function flowAt({ width, height, normalizedFlow }, x, y) {
  const corners = around({ shape: [1, height, width] }, x, y, 1);
  return [0, 1, 2].map((k) => corners.reduce((sum, [cell, weight]) => sum + weight * normalizedFlow[4 * cell + k], 0));
}

/**
 * The four cells around a place.
 * @param {Pick<Grid, 'shape'>} grid
 * @param {number} x 0..1
 * @param {number} y 0..1
 * @param {number} share the sum of their weights
 * @returns {[WeightedCell, WeightedCell, WeightedCell, WeightedCell]}
 */
function around({ shape: [, rows, columns] }, x, y, share) {
  const [across, down] = [cellsAt(x, columns), cellsAt(y, rows)];
  const [upper, lower] = [share * (1 - down.t), share * down.t];
  return [
    [down.low * columns + across.low, upper * (1 - across.t)],
    [down.low * columns + across.high, upper * across.t],
    [down.high * columns + across.low, lower * (1 - across.t)],
    [down.high * columns + across.high, lower * across.t],
  ];
}

/**
 * Add four weighted cells of one grid to a cell of another, in all its layers.
 * @param {Grid} from
 * @param {[WeightedCell, WeightedCell, WeightedCell, WeightedCell]} cells
 * @param {Grid} to
 * @param {number} toCell
 */
function carryCell(from, [[p, pWeight], [q, qWeight], [r, rWeight], [s, sWeight]], to, toCell) {
  const [values, sums] = [from.coefficients, to.coefficients];
  const [fromLayer, toLayer] = [from, to].map(({ shape: [, rows, columns] }) => 4 * rows * columns);
  for (let a = 0, b = 4 * toCell; b < sums.length; a += fromLayer, b += toLayer) {
    for (let k = 0; k < 4; k++) {
      sums[b + k] += pWeight * values[a + 4 * p + k] + qWeight * values[a + 4 * q + k]
        + rWeight * values[a + 4 * r + k] + sWeight * values[a + 4 * s + k];
    }
  }
}

/**
 * Interpolate between two rows of the grid, for a row of pixels.
 * @param {Float32Array} slice [3, D, C, 4], filled in
 * @param {Grid} grid
 * @param {Neighbours} rows
 */
function sliceRow(slice, { shape: [depth, rows, columns], coefficients }, { low, high, t }) {
  const rowLength = 4 * columns;
  for (let plane = 0; plane < 3 * depth; plane++) {
    const a = (plane * rows + low) * rowLength;
    const b = (plane * rows + high) * rowLength;
    for (let i = 0; i < rowLength; i++) {
      slice[plane * rowLength + i] = coefficients[a + i] + t * (coefficients[b + i] - coefficients[a + i]);
    }
  }
}

/**
 * Transform one pixel. This is unrolled and allocates nothing, since it runs for every pixel of every frame.
 * @param {Uint8ClampedArray} data RGBA, changed in place
 * @param {number} at the index of the pixel's red
 * @param {Float32Array} slice [3, D, C, 4]
 * @param {number} depth D
 * @param {number} columns C
 * @param {Neighbours} across columns
 */
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
    data[at + channel] = weighted; // a clamped array rounds, and clips to 0..255
  }
}

/**
 * @param {Float32Array} slice
 * @param {number} i where the four coefficients begin
 * @param {number} r 0..255
 * @param {number} g
 * @param {number} b
 * @returns {number} one transformed channel, which may overshoot 0..255
 */
function shade(slice, i, r, g, b) {
  return slice[i] * r + slice[i + 1] * g + slice[i + 2] * b + slice[i + 3] * 255;
}

/**
 * The two cells around a position on one axis.
 * @param {number} position 0..1
 * @param {number} count of cells
 * @returns {Neighbours}
 */
function cellsAt(position, count) {
  const cell = Math.min(Math.max(position * count - 0.5, 0), count - 1);
  const low = Math.floor(cell);
  return { low, high: Math.min(low + 1, count - 1), t: cell - low };
}

/**
 * The number of coefficients of a grid of this shape.
 * @param {GridShape} shape
 * @returns {number}
 */
export function coefficientCount([depth, rows, columns]) {
  return 3 * depth * rows * columns * 4;
}
