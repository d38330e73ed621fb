/** The looks that the server has, and one's own photos among them: asks for them, and sends photos. */

import { context2d } from '../basics/canvas.js';
import { isHeic } from '../capture/photo_file.js';
import { forgetPhoto, keepPhoto, keptPhoto, listedPhotos } from './own_photos.js';

/**
 * The longer side of an upload, in pixels. The server shrinks styles to this anyway; doing it here saves bandwidth, and
 * this device may read formats that the server cannot.
 */
const UPLOAD_SIDE = 1024;
/** Types of photos that every server reads, with their colours and orientation. */
const SENT_AS_THEY_ARE = new Set(['image/jpeg', 'image/png', 'image/webp']);
/** How long a request may take; a photo travels for a while on a slow uplink. */
const [HTTP_MS, UPLOAD_MS] = [10_000, 60_000];

/** An id, as links to uploaded photos hold it. */
const ID = /^[0-9a-f]{16}$/;

/**
 * A look. A mix has a second picture, and the name of both.
 * @typedef {{id: string, name: string, thumbnail: string, second?: string, key?: string, mood?: number}} Style pictures are
 *   paths on the server; the key deletes a photo of one's own there; the mood, in percent, is the one that it usually has
 */

/** @returns {Promise<Style[]|null>} null if the server does not answer */
export async function fetchStyles() {
  const response = await ask('/styles');
  return response?.ok ? response.json().catch(() => null) : null;
}

/**
 * @param {string[]} preferred the first may be the id of a photo that somebody else has uploaded, from a link
 * @param {Style[]} known the styles that this browser knows
 * @returns {Promise<Style[]>} this photo, unless it is known or the server does not have it
 */
export async function fetchLinked([linked = ''], known) {
  if (!ID.test(linked) || known.some(({ id }) => id === linked)) return [];
  const thumbnail = `/styles/${linked}.jpg`;
  return (await ask(thumbnail))?.ok ? [{ id: linked, name: 'From a link', thumbnail }] : [];
}

/**
 * @param {Style[]} styles
 * @returns {Promise<Style[]>} those of them that the server no longer has
 */
export async function lostOf(styles) {
  const answers = await Promise.all(styles.map(({ thumbnail }) => ask(thumbnail, 'reload')));
  return styles.filter((_, index) => answers[index]?.status === 404);
}

/** @returns {Promise<{there: Style[], lost: Style[]}>} the photos added earlier that the server still has, and the others */
export async function fetchOwnStyles() {
  const own = listedPhotos();
  const answers = await Promise.all(own.map(({ thumbnail }) => ask(thumbnail)));
  return {
    there: own.filter((_, index) => answers[index]?.ok),
    lost: own.filter((_, index) => answers[index]?.status === 404),
  };
}

/**
 * Send a photo, and keep it in this browser.
 * @param {File} file
 * @returns {Promise<Style>} what the server made of it
 * @throws {Error} with the reason, as a sentence
 */
export async function uploaded(file) {
  const name = file.name.replace(/\.[^.]*$/, '') || 'My photo';
  const body = await shrink(file);
  if (await isHeic(body)) throw new Error(`“${name}” is a HEIC picture, which this browser cannot read. Save it as JPEG.`);
  const style = await send(name, body);
  await keepPhoto(style, body);
  return style;
}

/**
 * Send a photo again that the server has forgotten.
 * @param {Style} style the photo's
 * @returns {Promise<Style|null>} its style from now on; null if it is not kept here, or was not taken
 */
export async function restored({ id, name }) {
  const photo = await keptPhoto(id);
  const style = photo && await send(name, photo).catch(() => null);
  if (!style) return null;
  if (style.id !== id) await forgetPhoto(id);
  await keepPhoto(style, photo);
  return style;
}

/**
 * @param {string} name
 * @param {Blob} photo
 * @returns {Promise<Style>} what the server made of the photo
 * @throws {Error} with the reason, as a sentence
 */
async function send(name, photo) {
  const path = `/styles?${new URLSearchParams({ name })}`;
  const signal = AbortSignal.timeout(UPLOAD_MS);
  const response = await fetch(path, { method: 'POST', body: photo, signal }).catch(() => null);
  const answer = await response?.json().catch(() => null);
  if (!response?.ok) throw new Error(answer?.error ?? 'The photo did not reach the server.');
  return answer;
}

/**
 * Convert a photo to JPEG if it is large, or of a format that the server may not know. Transparent parts become white,
 * as on the server.
 * @param {File} file
 * @returns {Promise<Blob>} the file itself if it need not be converted, or if this browser cannot read it
 */
async function shrink(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, UPLOAD_SIDE / Math.max(bitmap.width, bitmap.height));
    if (scale === 1 && SENT_AS_THEY_ARE.has(file.type)) return file;
    const canvas = document.createElement('canvas');
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    Object.assign(canvas, { width, height });
    const context = context2d(canvas);
    context.fillStyle = 'white';
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
    return await new Promise((resolve) => { canvas.toBlob((blob) => resolve(blob ?? file), 'image/jpeg', 0.92); });
  } catch {
    return file;
  }
}

/**
 * @param {string} path
 * @param {RequestCache} [cache]
 * @returns {Promise<Response|null>} null if the server does not answer in time
 */
function ask(path, cache) {
  return fetch(path, { cache, signal: AbortSignal.timeout(HTTP_MS) }).catch(() => null);
}
