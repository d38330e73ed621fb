/**
 * Unpacks grids, which travel as zlib-compressed differences along columns and luma.
 * The twin of pipeline/contract/grid_codec.py, which describes the format.
 */

import { coefficientCount } from '../render/grid.js';

/** @typedef {import('../render/grid.js').GridShape} GridShape */

/** Packed numbers are multiples of 1 / STEPS. */
const STEPS = 1024;
/** The most cells on any axis. */
const MAX_SIDE = 64;
/** Packed bytes that are inflated at a time: each slice grows at most a thousandfold before its size is checked. */
const SLICE_BYTES = 4096;

/**
 * Unpack one grid.
 * @param {unknown} shape [D, R, C], as the header claims
 * @param {Uint8Array<ArrayBuffer>} packed
 * @returns {Promise<import('../render/grid.js').Grid|null>} null unless `packed` is exactly one grid of that shape
 */
export async function unpackGrid(shape, packed) {
  if (!isGridShape(shape)) return null;
  const bytes = await inflate(packed, 2 * coefficientCount(shape));
  return bytes && { shape, coefficients: restore(bytes, shape) };
}

/**
 * @param {unknown} shape
 * @returns {shape is GridShape}
 */
function isGridShape(shape) {
  return Array.isArray(shape) && shape.length === 3
    && shape.every((side) => Number.isInteger(side) && side > 0 && side <= MAX_SIDE);
}

/**
 * @param {Uint8Array<ArrayBuffer>} packed zlib
 * @param {number} length the number of unpacked bytes that there must be
 * @returns {Promise<Uint8Array|null>} null unless there are exactly as many
 */
async function inflate(packed, length) {
  const bytes = new Uint8Array(length);
  const reader = slices(packed).pipeThrough(new DecompressionStream('deflate')).getReader();
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return filled === length ? bytes : null;
      bytes.set(value, filled); // throws if there are too many
      filled += value.length;
    }
  } catch { // not zlib, cut short, too long, or followed by other bytes
    reader.cancel().catch(() => {});
    return null;
  }
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {ReadableStream<BufferSource>} slices of them
 */
function slices(bytes) {
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset < bytes.length) controller.enqueue(bytes.subarray(offset, offset += SLICE_BYTES));
      else controller.close();
    },
  });
}

/**
 * @param {Uint8Array} bytes two per number: first all low bytes, then all high bytes
 * @param {GridShape} shape
 * @returns {Float32Array} the grid's coefficients
 */
function restore(bytes, [depth, rows, columns]) {
  const numbers = new Int16Array(bytes.length / 2);
  for (let i = 0; i < numbers.length; i++) {
    const folded = bytes[i] | (bytes[numbers.length + i] << 8);
    numbers[i] = (folded >> 1) ^ -(folded & 1);
  }
  addUp(numbers, 4 * rows * columns, 4 * rows * columns * depth);
  addUp(numbers, 4, 4 * columns);
  return new Float32Array(numbers).map((number) => number / STEPS);
}

/**
 * Undo differences along an axis: each number becomes the sum of itself and those before it, modulo 2^16.
 * @param {Int16Array} numbers changed in place
 * @param {number} step the distance between neighbours on the axis
 * @param {number} length the distance after which sums begin anew
 */
function addUp(numbers, step, length) {
  for (let i = 0; i < numbers.length; i++) {
    if (i % length >= step) numbers[i] += numbers[i - step];
  }
}
