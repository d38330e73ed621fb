/**
 * The strip below a sent picture, which carries the frame's id: it tells the gateway which frame it has received.
 * The twin of pipeline/contract/frame_strip.py, which reads it.
 */

/** Rows the strip adds below the picture. */
export const STRIP_ROWS = 16;
/** The largest frame id; the next one is 0 again. */
export const MAX_FRAME_ID = 65535;

const BLOCKS = 32;
const [LOW, HIGH] = [32, 222];

/**
 * CRC-8 (polynomial 0x07, start 0) over the two big-endian bytes of a frame id.
 * @param {number} frameId 0..65535
 * @returns {number} 0..255
 */
function crc8(frameId) {
  let crc = 0;
  for (const byte of [frameId >> 8, frameId & 0xff]) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x80 ? 0x07 : 0)) & 0xff;
  }
  return crc;
}

/**
 * The strip's bits, left to right: sync 1 0, Gray-coded id, CRC-8 of the plain id, sync 0 1, padding.
 * @param {number} frameId 0..65535
 * @returns {number[]} 32 bits
 */
export function stripBits(frameId) {
  const gray = frameId ^ (frameId >> 1);
  return [1, 0, ...bitsOf(gray, 16), ...bitsOf(crc8(frameId), 8), 0, 1, 0, 0, 0, 0];
}

/**
 * Draw the strip across the whole width, from row `top` down.
 * @param {CanvasRenderingContext2D|OffscreenCanvasRenderingContext2D} context
 * @param {number} frameId
 * @param {number} width in pixels
 * @param {number} top in pixels
 */
export function drawStrip(context, frameId, width, top) {
  context.fillStyle = grey(LOW);
  context.fillRect(0, top, width, STRIP_ROWS);
  context.fillStyle = grey(HIGH);
  stripBits(frameId).forEach((bit, block) => {
    const left = Math.round((block * width) / BLOCKS);
    const right = Math.round(((block + 1) * width) / BLOCKS);
    if (bit) context.fillRect(left, top, right - left, STRIP_ROWS);
  });
}

/**
 * Whether frame `a` was captured after frame `b`, even if the ids began again in between.
 * @param {number} a
 * @param {number} b
 * @returns {boolean}
 */
export function isNewer(a, b) {
  const ahead = (a - b) & MAX_FRAME_ID;
  return ahead > 0 && ahead <= MAX_FRAME_ID >> 1;
}

/**
 * @param {number} value
 * @param {number} count
 * @returns {number[]} its lowest bits, the most significant one first
 */
function bitsOf(value, count) {
  return Array.from({ length: count }, (_, index) => (value >> (count - 1 - index)) & 1);
}

/**
 * @param {number} level 0..255
 * @returns {string} a CSS colour
 */
function grey(level) {
  return `rgb(${level} ${level} ${level})`;
}
