/** The page: connects the live pipeline to the controls, the looks and the messages for the user. */

import { byId } from './ui/dom.js';
import { Gallery } from './ui/gallery.js';
import { LivePipeline } from './live.js';
import { Notices } from './ui/notices.js';
import { Readout } from './ui/readout.js';
import { Recorder, download } from './render/recorder.js';
import { Share } from './ui/share.js';
import { VideoSource } from './capture/source.js';

/** @typedef {import('./live.js').State} State */

/** @type {import('./render/renderer.js').Mode[]} */
const MODES = ['grid', 'residual', 'warp'];

/** @type {Record<State, (reason: string) => string>} what the status line says */
const STATUS = {
  idle: () => '',
  starting: () => 'Opening the picture…',
  connecting: () => 'Warming up…',
  waiting: (reason) => `${reason} This page does so by itself.`,
  live: () => '',
  reconnecting: (reason) => `${reason} Trying again…`,
  error: () => '',
};

class App {
  #query = new URLSearchParams(location.search);
  #readout = new Readout(byId('readout'), () => this.stats);
  #notices = new Notices(byId('status'), byId('card'));
  #share = new Share(byId('pictures', HTMLButtonElement), byId('sharing', HTMLDialogElement), () => this.#sendShare());
  #gallery = new Gallery(byId('gallery'), byId('tile', HTMLTemplateElement), (style) => this.#onStyle(style));
  /** @type {Promise<void>} resolves when there are styles to choose from */
  #galleryLoaded = Promise.resolve();
  #live = new LivePipeline({
    video: byId('video', HTMLVideoElement),
    output: byId('output', HTMLCanvasElement),
    picture: byId('picture'),
    divider: byId('divider'),
    stage: byId('stage'),
    dock: byId('dock'),
  }, {
    onState: (state, reason) => this.#onState(state, reason),
    onTrouble: (trouble) => this.#notices.trouble(trouble),
    onOffer: () => this.#onOffer(),
    onControl: (message) => this.#onControl(message),
  }, {
    mode: MODES.find((mode) => mode === this.#query.get('mode')),
    usesFlow: this.#query.get('flow') !== 'off',
  });
  #recorder = new Recorder(this.output, (recording) => press('record', recording));

  /** Show the page, and do what its address asks: ?source=camera&style=ID_OR_NAME&autostart=1&mode=MODE&flow=off */
  async start() {
    const query = this.#query;
    this.#listen();
    this.#live.start();
    this.#readout.start();
    this.#share.start();
    this.#galleryLoaded = this.#gallery.start(query.get('style'));
    if (query.get('source') === 'camera' && query.get('autostart') === '1') await this.#useCamera('user');
  }

  get state() {
    return this.#live.state;
  }

  get stats() {
    return this.#live.stats;
  }

  get output() {
    return this.#live.player.output;
  }

  /** See Player.snapshot. */
  snapshot() {
    return this.#live.player.snapshot();
  }

  destroy() {
    const parts = [this.#recorder, this.#live, this.#gallery, this.#share, this.#readout, this.#notices];
    parts.forEach((part) => part.destroy());
  }

  #listen() {
    const live = this.#live;
    for (const id of ['begin-camera', 'camera']) onClick(id, () => this.#useCamera(live.facing));
    for (const id of ['begin-file', 'file', 'instead']) onClick(id, () => byId('video-file').click());
    onClick('flip', () => this.#useCamera(live.facing === 'user' ? 'environment' : 'user'));
    onClick('again', () => live.retry());
    onClick('shutter', () => this.#savePhoto());
    onClick('record', () => this.#recorder.toggle());
    onClick('compare', () => press('compare', live.player.toggleCompare()));
    onFile('video-file', (file) => live.startFile(file));
    onFile('photo', (file) => this.#uploadStyle(file));
    const strength = byId('strength', HTMLInputElement);
    strength.addEventListener('input', () => this.#onStrength(strength));
    byId('record').hidden = !Recorder.supported;
    window.addEventListener('pagehide', () => this.destroy());
    window.addEventListener('pageshow', (event) => event.persisted && location.reload());
  }

  // Controls

  /** @param {import('./capture/source.js').Facing} facing */
  async #useCamera(facing) {
    await this.#live.startCamera(facing);
    byId('flip').hidden = !await VideoSource.hasSecondCamera();
  }

  async #savePhoto() {
    const photo = await this.#live.player.photo();
    if (photo) download(photo);
  }

  /** @param {File} file */
  async #uploadStyle(file) {
    const input = byId('photo', HTMLInputElement);
    input.disabled = true;
    try {
      await this.#gallery.upload(file);
    } catch (error) {
      this.#notices.remark(error instanceof Error ? error.message : String(error));
    }
    input.disabled = false;
  }

  /** @param {HTMLInputElement} slider 0..100 */
  #onStrength(slider) {
    this.#live.player.strength = slider.valueAsNumber / 100;
    slider.style.setProperty('--filled', `${slider.value}%`);
    byId('strength-value').textContent = slider.value;
  }

  /** @param {import('./ui/gallery.js').Style} style */
  #onStyle(style) {
    byId('backdrop', HTMLImageElement).src = style.thumbnail;
    this.#live.setStyle(style.id);
    if (this.state === 'live') this.#notices.status('Changing the look…');
  }

  // The pipeline

  /**
   * @param {State} state
   * @param {string} reason
   */
  #onState(state, reason) {
    document.body.dataset.state = state;
    this.#notices.status(STATUS[state](reason));
  }

  /** A new connection waits for a style, and knows nothing yet of the user's consent. */
  async #onOffer() {
    await this.#galleryLoaded;
    this.#sendShare();
  }

  #sendShare() {
    if (this.#share.message) this.#live.send(this.#share.message);
  }

  /** @param {import('./net/messages.js').ControlMessage} message */
  #onControl({ type, on, error }) {
    if (type === 'share') this.#onShared(on === true);
    if (type === 'share_again') {
      this.#share.again();
      this.#sendShare();
    }
    if (type === 'error') this.#notices.remark(String(error));
  }

  /** @param {boolean} on */
  #onShared(on) {
    this.#share.confirm(on);
    if (!on) this.#notices.remark('The pictures you shared are deleted.');
  }
}

/**
 * @param {string} id of a button
 * @param {() => void} action
 */
function onClick(id, action) {
  byId(id).addEventListener('click', action);
}

/**
 * @param {string} id of a toggle button
 * @param {boolean} pressed
 */
function press(id, pressed) {
  byId(id).setAttribute('aria-pressed', String(pressed));
}

/**
 * @param {string} id of an <input type="file">
 * @param {(file: File) => void} use
 */
function onFile(id, use) {
  const input = byId(id, HTMLInputElement);
  input.addEventListener('change', () => {
    const [file] = input.files ?? [];
    input.value = ''; // so that the same file can be chosen again
    if (file) use(file);
  });
}

/** The page's app, for tests and tools. */
const app = Object.assign(window, { mvstylizer: new App() }).mvstylizer;
app.start();
