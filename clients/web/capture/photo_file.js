/** Opens a still photo as a picture to stylize, upright as its camera was held, and tells HEIC from what browsers read. */

import { context2d } from '../basics/canvas.js';
import { Trouble } from './trouble.js';

/** The longer side, in pixels, of the photo that is saved: every browser and graphics card draws that much. */
export const FULL_SIDE = 4096;
/** The longer side of the photo on show. */
const SHOWN_SIDE = 1920;
/** The four letters of HEIC files behind `ftyp`, in the first bytes. */
const HEIC = /^ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)/;

/**
 * @typedef {object} Photo
 * @property {HTMLCanvasElement} shown
 * @property {HTMLCanvasElement} full the same in its own size, or in the largest that can be saved
 * @property {{width: number, height: number}} size the file's, in pixels
 */

/**
 * @param {File} file
 * @returns {Promise<boolean>} whether it is a picture and no video; HEIC files may come without a type
 */
export async function isPhoto(file) {
  return file.type.startsWith('image/') || isHeic(file);
}

/**
 * @param {Blob} file
 * @returns {Promise<boolean>} whether it is one of Apple's HEIC pictures, which most browsers do not read
 */
export async function isHeic(file) {
  const head = new Uint8Array(await file.slice(4, 12).arrayBuffer());
  return HEIC.test(String.fromCharCode(...head));
}

/**
 * @param {File} file
 * @returns {Promise<Photo>}
 * @throws {Trouble} if this browser cannot read it
 */
export async function openPhoto(file) {
  const url = URL.createObjectURL(file);
  try {
    const image = Object.assign(new Image(), { src: url });
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image; // of the upright picture
    const full = scaled(image, { width, height }, FULL_SIDE);
    return { full, shown: scaled(full, full, SHOWN_SIDE), size: { width, height } };
  } catch {
    if (await isHeic(file)) {
      throw new Trouble('This is a HEIC picture', 'The browser cannot read it. Save it as JPEG and open that.');
    }
    throw new Trouble('This photo does not open here', 'The browser cannot read the file. Try a JPEG, PNG or WebP.');
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * @param {HTMLImageElement|HTMLCanvasElement} source
 * @param {{width: number, height: number}} size the source's, in pixels
 * @param {number} side the longest that is allowed
 * @returns {HTMLCanvasElement} the source itself if it is a canvas that small
 */
function scaled(source, { width, height }, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  if (scale === 1 && source instanceof HTMLCanvasElement) return source;
  const canvas = document.createElement('canvas');
  const [across, down] = [width, height].map((length) => Math.max(1, Math.round(length * scale)));
  Object.assign(canvas, { width: across, height: down });
  const context = context2d(canvas, { alpha: false });
  context.fillStyle = 'white'; // below what is transparent, as in photos that are used as a look
  context.fillRect(0, 0, across, down);
  context.drawImage(source, 0, 0, across, down);
  return canvas;
}
