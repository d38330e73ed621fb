/** What the gateway says: stylized frames on the "frames" channel, JSON on the "control" channel. */

import { FRAME_IDS } from './framestamp.js';
import { unpackGrid } from './gridcode.js';

const MAX_HEADER_BYTES = 4096;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A key frame's answer.
 * @typedef {object} StylizedFrame
 * @property {number} frameId which of our frames it was made from
 * @property {string} styleId
 * @property {boolean} cut whether the scene changed, so that a cross-fade would show a ghost
 * @property {import('./reassemble.js').Grid} grid
 */

/**
 * Read a joined message: big-endian u32 header length, JSON header, packed grid.
 * @param {Uint8Array} payload
 * @returns {Promise<StylizedFrame|null>} null when it does not fit the contract
 */
export async function readStylizedFrame(payload) {
  if (payload.length < 4) return null;
  const headerBytes = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  if (headerBytes > MAX_HEADER_BYTES || payload.length < 4 + headerBytes) return null;
  const header = parseJson(() => UTF8.decode(payload.subarray(4, 4 + headerBytes)));
  if (!Number.isInteger(header?.frame_id) || header.frame_id < 0 || header.frame_id >= FRAME_IDS) return null;
  const grid = await unpackGrid(header.grid, payload.subarray(4 + headerBytes));
  return grid && { frameId: header.frame_id, styleId: String(header.style_id), cut: header.cut === true, grid };
}

/**
 * Read a control message.
 * @param {unknown} text
 * @returns {{type: string, [field: string]: unknown}|null}
 */
export function readControl(text) {
  const message = typeof text === 'string' ? parseJson(() => text) : null;
  return typeof message?.type === 'string' ? message : null;
}

function parseJson(read) {
  try {
    return JSON.parse(read());
  } catch {
    return null;
  }
}
