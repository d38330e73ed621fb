/** Reads the gateway's messages: stylized frames on the "frames" channel, JSON on the "control" channel. */

import { MAX_FRAME_ID } from '../capture/frame_strip.js';
import { splitRows } from '../render/grid.js';
import { unpackGrid } from './grid_codec.js';

const MAX_HEADER_BYTES = 4096;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The answer to a key frame.
 * @typedef {object} StylizedFrame
 * @property {number} frameId the frame it was made from
 * @property {string} styleId
 * @property {boolean} cut whether the scene changed, so that a cross-fade would show a ghost
 * @property {import('../render/grid.js').Grid} grid
 */

/**
 * The answer to a request for previews, or a part of it: one picture in several styles.
 * @typedef {object} LookPreviews
 * @property {number} frameId the frame they were made from
 * @property {string[]} styles their ids
 * @property {import('../render/grid.js').Grid[]} grids of the styles, in the same order
 */

/**
 * A control message from the gateway; which fields there are depends on `type`.
 * @typedef {{type: string, [field: string]: unknown}} GatewayMessage
 */

/** @typedef {(value: unknown) => boolean} Check whether a field has the right kind of value */

/**
 * The types of the gateway's control messages, and the fields of each, as in pipeline/contract/control.py.
 * @type {Map<unknown, [string, Check][]>}
 */
const GATEWAY_MESSAGES = new Map([
  ['alive', []],
  ['pace', [['fps', isNumberTo(1000)], ['look_interval_s', isAbsentOr(isNumberTo(3600))]]],
  ['frame', []],
  ['key_frame', [['frame_id', isFrameId], ['reason', isText]]],
  ['dropped', [['frame_id', isFrameId], ['reason', isText]]],
  ['share', [['on', isSwitch]]],
  ['share_again', []],
  ['move', []],
  ['error', [['error', isText]]],
]);
const MAX_CONTROL_LENGTH = 4096;

/**
 * A control message to the gateway. `style` and `size` name the style, and the size in pixels, of frames from now on.
 * `cut` names the sent frame that begins another scene. `pause` says whether no frames come for now. `share` says whether the server may learn from our pictures,
 * and under which name they are kept. `previews` asks for the next frame in each of these styles.
 * @typedef {{type: 'style', style: string}|{type: 'size', width: number, height: number}
 *   |{type: 'cut', frame_id: number}|{type: 'pause', on: boolean}|{type: 'share', on: boolean, by: string}
 *   |{type: 'previews', styles: string[]}} ClientMessage
 */

/**
 * Read a joined message: the header's length (big-endian u32), a JSON header, and a packed grid.
 * @param {Uint8Array<ArrayBuffer>} payload
 * @returns {Promise<StylizedFrame|LookPreviews|null>} null if it does not fit the contract
 */
export async function readAnswer(payload) {
  if (payload.length < 4) return null;
  const headerBytes = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  if (headerBytes > MAX_HEADER_BYTES || payload.length < 4 + headerBytes) return null;
  const header = parseJson(() => UTF8.decode(payload.subarray(4, 4 + headerBytes)));
  if (!header || !isFrameId(header.frame_id)) return null;
  const grid = await unpackGrid(header.grid, payload.subarray(4 + headerBytes));
  if (!grid) return null;
  if (header.previews !== undefined) return readPreviews(header.frame_id, header.previews, grid);
  return { frameId: header.frame_id, styleId: String(header.style_id), cut: header.cut === true, grid };
}

/**
 * @param {number} frameId
 * @param {unknown} styles
 * @param {import('../render/grid.js').Grid} grid those of all styles, one below the other
 * @returns {LookPreviews|null} null if its rows are not divided evenly among the styles
 */
function readPreviews(frameId, styles, grid) {
  if (!Array.isArray(styles) || !styles.length || !styles.every(isText) || grid.shape[1] % styles.length) return null;
  return { frameId, styles, grids: splitRows(grid, styles.length) };
}

/**
 * Read a control message.
 * @param {unknown} text
 * @returns {GatewayMessage|null} its type and the fields of that type; null if it does not fit the contract
 */
export function readGatewayMessage(text) {
  if (typeof text !== 'string' || text.length > MAX_CONTROL_LENGTH) return null;
  const message = parseJson(() => text);
  const fields = GATEWAY_MESSAGES.get(message?.type);
  if (!message || !fields?.every(([name, isRight]) => isRight(message[name]))) return null;
  return { ...Object.fromEntries(fields.map(([name]) => [name, message[name]])), type: String(message.type) };
}

/**
 * @param {unknown} value
 * @returns {value is string}
 */
function isText(value) {
  return typeof value === 'string';
}

/**
 * @param {unknown} value
 * @returns {value is boolean}
 */
function isSwitch(value) {
  return typeof value === 'boolean';
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isFrameId(value) {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_FRAME_ID;
}

/**
 * @param {number} limit
 * @returns {Check} whether a value is a number above 0 and at most `limit`
 */
function isNumberTo(limit) {
  return (value) => typeof value === 'number' && value > 0 && value <= limit;
}

/**
 * @param {Check} isRight
 * @returns {Check} whether a value is right, or its field is absent
 */
function isAbsentOr(isRight) {
  return (value) => value === undefined || isRight(value);
}

/**
 * @param {() => string} read gives the text, or throws if there is none
 * @returns {Record<string, unknown>|null} null if there is no JSON object
 */
function parseJson(read) {
  try {
    const value = JSON.parse(read());
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
