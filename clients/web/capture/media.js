/** Opens a camera, a video or a photo, and gives up as soon as it is told to. The caller has to close what it got. */

import { constraintsFor, facingNamed } from './cameras.js';
import { isPhoto, openPhoto } from './photo_file.js';
import { Trouble, cameraTrouble } from './trouble.js';

/** @typedef {import('./cameras.js').CameraChoice} CameraChoice */
/** @typedef {import('./cameras.js').Facing} Facing */
/** @typedef {import('./cameras.js').Resolution} Resolution */

/**
 * Something to show: a camera or a video, which play in a <video>, or a still photo.
 * @typedef {object} Media
 * @property {MediaStream|null} stream the stream of a camera
 * @property {string} url the object URL of a video file, or ''
 * @property {import('./photo_file.js').Photo|null} photo
 * @property {string|null} cameraId
 * @property {Facing|null} facing where the camera faces, if it says so
 * @property {() => void} close
 */

/**
 * Open a camera. The first time, the browser asks the user for permission, which may take any time.
 * @param {CameraChoice} choice
 * @param {boolean} isExact whether no other camera will do
 * @param {Resolution} resolution
 * @param {AbortSignal} signal
 * @returns {Promise<Media>}
 * @throws {Trouble} and the signal's reason
 */
export async function openCamera(choice, isExact, resolution, signal) {
  if (!navigator.mediaDevices) throw cameraTrouble(new Error('it has no cameras to offer'));
  const asked = navigator.mediaDevices.getUserMedia({ video: constraintsFor(choice, isExact, resolution) });
  try {
    return cameraMedia(await unlessAborted(asked, signal));
  } catch (error) {
    if (signal.aborted) asked.then(stopTracks, () => {}); // the user may still allow it later
    signal.throwIfAborted();
    throw cameraTrouble(/** @type {DOMException} */ (error));
  }
}

/**
 * Open a photo or a video file. This takes until its first picture is there.
 * @param {File} file
 * @param {AbortSignal} signal
 * @returns {Promise<Media>}
 * @throws {Trouble} and the signal's reason
 */
export async function openFile(file, signal) {
  if (await unlessAborted(isPhoto(file), signal)) {
    const photo = await unlessAborted(openPhoto(file), signal);
    return { stream: null, url: '', photo, cameraId: null, facing: null, close: () => {} };
  }
  const url = URL.createObjectURL(file);
  const close = () => URL.revokeObjectURL(url);
  try {
    await unlessAborted(firstPicture(url, signal), signal);
  } catch (error) {
    close();
    throw error;
  }
  return { stream: null, url, photo: null, cameraId: null, facing: null, close };
}

/**
 * @param {MediaStream} stream
 * @returns {Media}
 */
function cameraMedia(stream) {
  const [track] = stream.getVideoTracks();
  const { deviceId = null, facingMode } = track.getSettings();
  const facing = facingNamed(facingMode, track.label); // a back camera is no mirror, even if only its name tells
  return { stream, url: '', photo: null, cameraId: deviceId, facing, close: () => stopTracks(stream) };
}

/** @param {MediaStream} stream */
function stopTracks(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

/**
 * Play a file in an element of its own until its first picture, while the present source goes on.
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 * @throws {Trouble} when there will never be a picture
 */
async function firstPicture(url, signal) {
  const trial = Object.assign(document.createElement('video'), { muted: true, playsInline: true, src: url });
  signal.addEventListener('abort', () => trial.removeAttribute('src'));
  try {
    await new Promise((resolve, reject) => {
      trial.addEventListener('loadeddata', resolve);
      trial.addEventListener('error', reject);
      trial.play().catch(() => {}); // iOS loads nothing before this call; errors come as events
    });
  } catch {
    throw new Trouble('This video does not play here', 'The browser cannot read the file. Try an MP4 or WebM video.');
  } finally {
    trial.pause();
  }
  const hasPicture = trial.videoWidth > 0;
  trial.removeAttribute('src');
  trial.load();
  if (!hasPicture) {
    throw new Trouble('There is no picture in this file',
      'It holds sound only, or its video is of a kind that this browser does not know. Try an MP4 or WebM video.');
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>} rejects with the signal's reason as soon as it is aborted
 */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
