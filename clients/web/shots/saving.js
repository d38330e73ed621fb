/** Hands a photo, video or table to the user: as a download, or to the apps of a phone. */

import { extensionOf } from './format.js';

/**
 * @param {Blob} blob
 * @param {Date} [at] when it was taken
 * @returns {File} the same, with a name, and without codecs in its type: apps that are offered a file compare types
 */
export function fileOf(blob, at = new Date()) {
  const moment = at.toISOString().slice(0, 19).replace(/[T:]/g, '-');
  return new File([blob], `mvstylizer-${moment}.${extensionOf(blob.type)}`, { type: blob.type.split(';')[0] });
}

/**
 * Let the browser save a file.
 * @param {File} file
 */
export function download(file) {
  const link = document.createElement('a');
  link.download = file.name;
  link.href = URL.createObjectURL(file);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read the file after click() has returned
}

/**
 * Whether to offer the share sheet, by which phones save to their photos, too. On other devices a download is at hand.
 * @param {File} file
 * @returns {boolean}
 */
export function isShareable(file) {
  return matchMedia('(pointer: coarse)').matches && navigator.canShare?.({ files: [file] }) === true;
}

/**
 * Open the share sheet; to be called when the user has just pressed something.
 * @param {File} file
 * @returns {Promise<boolean>} whether the user has shared it
 * @throws {DOMException} if the browser does not share it
 */
export async function share(file) {
  try {
    await navigator.share({ files: [file] });
    return true;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return false; // the user closed it
    throw error;
  }
}
