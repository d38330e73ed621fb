/** Opens cameras, videos and photos. The present source goes on until the new one plays. */

import { FIRST_RESOLUTION, RESOLUTIONS, listCameras, resolutionsUpTo, sizeConstraints } from './cameras.js';
import { openCamera, openFile } from './media.js';
import { VideoSource } from './source.js';
import { Trouble, requireWebRtc } from './trouble.js';

/** @typedef {import('./cameras.js').Camera} Camera */
/** @typedef {import('./cameras.js').CameraChoice} CameraChoice */
/** @typedef {import('./cameras.js').Facing} Facing */
/** @typedef {import('./media.js').Media} Media */

/** @type {CameraChoice} the camera until the user has chosen one */
const FIRST_CAMERA = { facing: 'user' };

/**
 * @typedef {object} InputHandlers
 * @property {() => boolean} isBusy whether the last frame is still being drawn
 * @property {(frame: import('../basics/canvas.js').Frame) => void} onFrame there is a new frame; called only while not busy
 * @property {(what: 'camera'|'file') => void} onOpening
 * @property {() => void} onPlaying the new source is on show
 * @property {() => void} onCancelled nothing new is opened; the present source goes on
 * @property {(trouble: Trouble|null) => void} onStopped nothing is on show any more; null if the user wanted it so
 * @property {(sentence: string) => void} onRemark opening failed; the present source goes on
 * @property {(cameras: Camera[]) => void} onCameras called when they change, and when their names become known
 */

export class Input {
  #handlers;
  #source;
  /** @type {AbortController|null} gives up opening; null while nothing is being opened */
  #opening = null;
  /** @type {() => Promise<void>} opens the last source again */
  #reopen = async () => {};
  /** @type {CameraChoice} */
  #choice = FIRST_CAMERA;
  #resolution = FIRST_RESOLUTION;
  /** @type {string|null} the id of the camera that was unplugged while it was on show */
  #unplugged = null;

  /**
   * @param {HTMLVideoElement} video
   * @param {InputHandlers} handlers
   */
  constructor(video, handlers) {
    this.#handlers = handlers;
    const { isBusy, onFrame } = handlers;
    this.#source = new VideoSource(video, { isBusy, onFrame, onEnded: (trouble) => this.#onEnded(trouble) });
  }

  start() {
    navigator.mediaDevices?.addEventListener('devicechange', this.#onDevices);
  }

  /** @returns {boolean} whether something is on show */
  get playing() {
    return this.#source.playing;
  }

  /** @returns {boolean} whether users see themselves, and expect a mirror */
  get mirrored() {
    return this.#source.mirrored;
  }

  /** @returns {{id: string|null, facing: Facing|null}|null} null without a camera on show */
  get camera() {
    const { media } = this.#source;
    return media?.stream ? { id: media.cameraId, facing: media.facing } : null;
  }

  /** @returns {{names: string[], chosen: string, size: string}} the resolutions to choose from, and what the camera gives */
  get resolutions() {
    const track = this.#source.media?.stream?.getVideoTracks()[0];
    const { width, height } = track?.getSettings() ?? {};
    const names = resolutionsUpTo(track?.getCapabilities?.().width?.max).map(({ name }) => name);
    return { names, chosen: this.#resolution.name, size: width && height ? `${width} × ${height}` : '' };
  }

  /** @param {string} wanted the name of the resolution for the camera on show, and for those that are opened later */
  async setResolution(wanted) {
    this.#resolution = RESOLUTIONS.find(({ name }) => name === wanted) ?? FIRST_RESOLUTION;
    const track = this.#source.media?.stream?.getVideoTracks()[0];
    await track?.applyConstraints(sizeConstraints(this.#resolution)).catch(() => this.#handlers.onRemark(
      'This camera does not change its resolution while it is on.'));
  }

  /** @returns {import('./media.js').Media|null} what is on show */
  get media() {
    return this.#source.media;
  }

  /** @returns {MediaStreamTrack|null} the sound of the video file on show, which is to be stopped; see VideoSource */
  get sound() {
    return this.#source.sound;
  }

  /** @param {CameraChoice} choice the camera to open, or any other one if that is gone, until the user chooses one */
  prefer(choice) {
    this.#choice = choice;
  }

  /** @param {CameraChoice} [choice] without it, the camera used last, or any other one if that is gone */
  async startCamera(choice) {
    this.#choice = choice ?? this.#choice;
    this.#reopen = () => this.startCamera();
    await this.#open('camera', (signal) => this.#openCamera(this.#choice, choice !== undefined, signal));
  }

  /** @param {File} file a photo, or a video, which is played in a loop */
  async startFile(file) {
    this.#reopen = () => this.startFile(file);
    await this.#open('file', (signal) => openFile(file, signal));
  }

  /** Try to open again the source that failed. */
  async retry() {
    await this.#reopen();
  }

  /** Give up what is being opened. */
  cancel() {
    if (!this.#opening) return;
    this.#opening.abort();
    this.#opening = null;
    if (this.playing) return this.#handlers.onCancelled();
    this.#source.stop();
    this.#handlers.onStopped(null);
  }

  destroy() {
    navigator.mediaDevices?.removeEventListener('devicechange', this.#onDevices);
    this.#opening?.abort();
    this.#source.destroy();
  }

  /**
   * Open a source, and give up any that is still being opened.
   * @param {'camera'|'file'} what
   * @param {(signal: AbortSignal) => Promise<Media>} begin
   */
  async #open(what, begin) {
    this.#opening?.abort();
    if (!this.playing) this.#source.stop(); // there may be a camera that has given no picture yet
    const opening = this.#opening = new AbortController();
    this.#handlers.onOpening(what);
    try {
      requireWebRtc();
      await this.#play(await begin(opening.signal), opening.signal);
    } catch (error) {
      if (!opening.signal.aborted) this.#onNotOpened(troubleOf(error));
    }
    if (this.#opening === opening) this.#opening = null;
  }

  /**
   * @param {Media} media
   * @param {AbortSignal} signal
   */
  async #play(media, signal) {
    if (signal.aborted) return media.close();
    await this.#source.play(media); // this waits for the first picture, however long it takes
    if (signal.aborted) return;
    this.#unplugged = null;
    this.#handlers.onPlaying();
    this.#onDevices(); // browsers tell the cameras' names once one of them is in use
  }

  /**
   * @param {CameraChoice} choice
   * @param {boolean} isExact whether no other camera will do
   * @param {AbortSignal} signal
   * @returns {Promise<Media>}
   */
  async #openCamera(choice, isExact, signal) {
    try {
      return await openCamera(choice, isExact, this.#resolution, signal);
    } catch (error) {
      const isOurs = this.camera && error instanceof Trouble && error.isBusy;
      if (!isOurs) throw error;
    }
    this.#source.stop(); // some phones do not open their second camera while the first is on
    return openCamera(choice, isExact, this.#resolution, signal);
  }

  /** @param {Trouble} trouble */
  #onNotOpened(trouble) {
    if (!this.playing) {
      this.#source.stop();
      return this.#handlers.onStopped(trouble);
    }
    this.#handlers.onCancelled();
    this.#handlers.onRemark(`${trouble.title}. ${trouble.help}`);
  }

  /**
   * The source on show has ended by itself. This is reported unless another one is already being opened.
   * @param {Trouble} trouble
   */
  #onEnded(trouble) {
    const gone = this.camera;
    this.#source.stop();
    if (this.#opening) return;
    this.#unplugged = gone?.id ?? null;
    this.#handlers.onStopped(trouble);
  }

  #onDevices = async () => {
    const cameras = await listCameras();
    this.#handlers.onCameras(cameras);
    const back = cameras.find(({ id }) => id && id === this.#unplugged);
    if (back && !this.playing && !this.#opening) await this.startCamera({ id: back.id });
  };
}

/**
 * @param {unknown} error
 * @returns {Trouble}
 */
function troubleOf(error) {
  if (error instanceof Trouble) return error;
  return new Trouble('This did not start', `${error instanceof Error ? error.message : error}.`);
}
