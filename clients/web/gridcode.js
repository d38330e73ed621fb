/** Unpacks grids: zlib of differences along columns and luma. The twin of pipeline/gridcode.py, which says how. */

import { coefficientCount } from './reassemble.js';

const STEPS = 1024;
const MAX_SIDE = 64;
/** So much is inflated, to a thousandfold at most, before it is seen to be too much. */
const SLICE_BYTES = 4096;

/**
 * @param {unknown} size what the header claims: [D, R, C]
 * @param {Uint8Array} packed
 * @returns {Promise<import('./reassemble.js').Grid|null>} null unless `packed` is exactly one grid of that size
 */
export async function unpackGrid(size, packed) {
  if (!Array.isArray(size) || size.length !== 3) return null;
  if (!size.every((side) => Number.isInteger(side) && side > 0 && side <= MAX_SIDE)) return null;
  const bytes = await inflate(packed, 2 * coefficientCount(size));
  return bytes && { size: [...size], coefficients: restore(bytes, size) };
}

/** Exactly `length` bytes, or null. */
async function inflate(packed, length) {
  const bytes = new Uint8Array(length);
  const reader = slices(packed).pipeThrough(new DecompressionStream('deflate')).getReader();
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return filled === length ? bytes : null;
      bytes.set(value, filled); // throws when it does not fit
      filled += value.length;
    }
  } catch { // no zlib, cut short, too much, or something behind it
    reader.cancel().catch(() => {});
    return null;
  }
}

function slices(bytes) {
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset < bytes.length) controller.enqueue(bytes.subarray(offset, offset += SLICE_BYTES));
      else controller.close();
    },
  });
}

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

/** Sums along an axis, modulo 2^16: of numbers `step` apart, beginning anew after each `length`. */
function addUp(numbers, step, length) {
  for (let i = 0; i < numbers.length; i++) {
    if (i % length >= step) numbers[i] += numbers[i - step];
  }
}
