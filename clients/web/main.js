/** The page: connects the live pipeline to the controls, the looks and the messages for the user. */

import { CameraSwitch } from './ui/camera_switch.js';
import { byId } from './basics/dom.js';
import { Comparing } from './controls/comparing.js';
import { Fading } from './controls/fading.js';
import { FileDrop } from './ui/file_drop.js';
import { FullScreen } from './controls/full_screen.js';
import { Gestures } from './controls/gestures.js';
import { Hint } from './ui/hint.js';
import { abilities, limitsOf } from './ui/limits.js';
import { LinkDialog } from './ui/link_dialog.js';
import { LivePipeline } from './live/pipeline.js';
import { chooseLook, stepLook } from './controls/look_steps.js';
import { Looks } from './looks/looks.js';
import { Memory } from './looks/memory.js';
import { readLink } from './looks/look_link.js';
import { Notices } from './ui/notices.js';
import { PictureInPicture } from './controls/picture_in_picture.js';
import { PhotoList } from './looks/photo_list.js';
import { Readout } from './ui/readout.js';
import { RecordButton } from './shots/record_button.js';
import { download, fileOf } from './shots/saving.js';
import { Share } from './ui/share.js';
import { Shortcuts } from './controls/shortcuts.js';
import { Shots } from './shots/shots.js';

/** @typedef {import('./live/live_state.js').State} State */

/** @type {import('./render/renderer.js').Mode[]} */
const MODES = ['grid', 'residual', 'warp'];

class App {
  #query = new URLSearchParams(location.search);
  #wishes = readLink(location.search);
  #readout = new Readout(byId('readout'), () => this.stats);
  #notices = new Notices({ status: byId('status'), remark: byId('remark'), card: byId('card') });
  #share = new Share(byId('pictures', HTMLButtonElement), byId('sharing', HTMLDialogElement), () => this.#sendShare());
  #memory = new Memory();
  #looks = new Looks(this.#memory, this.#wishes, {
    onStyle: (style, thumbnail) => this.#onStyle(style, thumbnail),
    onStrength: (strength) => { this.#live.player.strength = strength; },
    onChanged: (look) => this.#live.previews.redraw(look),
    onRemark: (sentence) => this.#notices.remark(sentence),
  });
  #live = new LivePipeline({
    video: byId('video', HTMLVideoElement),
    output: byId('output', HTMLCanvasElement),
    picture: byId('picture'),
    divider: byId('divider'),
    stage: byId('stage'),
    dock: byId('dock'),
  }, {
    onState: (state, sentence) => this.#onState(state, sentence),
    onTrouble: (trouble) => this.#notices.trouble(trouble),
    onRemark: (sentence) => this.#notices.remark(sentence),
    onCameras: (cameras) => this.#cameraSwitch.show(cameras),
    onOffer: () => this.#onOffer(),
    onStyle: (style) => this.#looks.refuse(style),
    onControl: (message) => this.#onControl(message),
    onMixes: (known) => this.#looks.allowMixes(known),
    previews: this.#looks.previews,
  }, {
    mode: MODES.find((mode) => mode === this.#query.get('mode')),
    usesFlow: this.#query.get('flow') !== 'off',
  });
  #input = this.#live.input;
  #cameraSwitch = new CameraSwitch(byId('flip', HTMLButtonElement), byId('cameras', HTMLDialogElement), {
    current: () => this.#input.camera,
    onChoose: (choice) => this.#onCamera(choice),
    resolutions: () => this.#input.resolutions,
    onResolution: (name) => this.#input.setResolution(name),
  });
  #fading = new Fading([byId('header'), byId('dock')], () => hasPicture(this.state));
  #fullScreen = new FullScreen(byId('full-screen', HTMLButtonElement));
  #float = new PictureInPicture(byId('float', HTMLButtonElement), byId('output', HTMLCanvasElement),
    (sentence) => this.#notices.remark(sentence));
  #hint = new Hint(byId('hint'));
  #link = new LinkDialog(byId('link', HTMLDialogElement));
  #comparing = new Comparing(byId('compare', HTMLButtonElement), this.#live.player, (isHeld) => this.#onHeld(isHeld));
  #gestures = new Gestures(byId('stage'), {
    onTap: () => this.#fading.toggle(),
    onHold: (isHeld) => this.#comparing.hold(isHeld),
    onSwipe: (step) => this.#onLookChosen(stepLook(byId('gallery'), step)),
  });
  #shortcuts = new Shortcuts(byId('keys-on', HTMLInputElement), {
    onCommand: (command) => this.#obey(command),
    onLook: (place) => this.#onLookChosen(chooseLook(byId('gallery'), place)),
    onHold: (isHeld) => this.#comparing.hold(isHeld),
  });
  #fileDrop = new FileDrop(byId('drop'), {
    onLook: (photo) => this.#uploadStyle(photo),
    onSource: (file) => this.#input.startFile(file),
  });
  #photoList = new PhotoList(byId('own-photos'), byId('own-photo', HTMLTemplateElement), {
    onDeleted: (id) => this.#looks.remove(id),
    onRemark: (sentence) => this.#notices.remark(sentence),
  });
  #shots = new Shots({
    last: byId('last-shot', HTMLButtonElement),
    viewer: byId('shots', HTMLDialogElement),
    flash: byId('flash'),
    heard: byId('heard'),
  }, (sentence) => this.#notices.remark(sentence));
  #record = new RecordButton(byId('record'), byId('recorded'), {
    wantsMicrophone: () => this.#input.camera !== null,
    sound: () => this.#input.sound,
    picture: () => this.output,
    onSink: (sink) => { this.#live.player.onDrawn = sink; },
    onRecorded: (recording) => this.#shots.addVideo(recording),
    onRemark: (sentence) => this.#notices.remark(sentence),
  });
  /** Whatever starts with the page and ends with it, in this order. */
  #parts = [
    this.#live, this.#readout, this.#share, this.#cameraSwitch, this.#fading, this.#fullScreen, this.#float,
    this.#comparing, this.#gestures, this.#shortcuts, this.#link, this.#record, this.#shots, this.#fileDrop,
  ];

  /**
   * Show the page, and do what its address asks: ?look=ID_OR_NAME&strength=0..100, with &source=camera&autostart=1 or
   * &clean=1 to open the camera at once, &background=transparent, and for tests &mode=MODE&flow=off.
   */
  async start() {
    const { isClean, isTransparent, starts } = this.#wishes;
    if (isClean) document.documentElement.dataset.clean = isTransparent ? 'transparent' : 'black';
    this.#listen();
    this.#parts.forEach((part) => part.start());
    this.#showLimits();
    if (this.#memory.camera) this.#input.prefer(this.#memory.camera);
    this.#mirror(this.#memory.mirrors);
    this.#looks.start();
    if (starts) await this.#input.startCamera();
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
    [...this.#parts, this.#looks, this.#notices, this.#hint].forEach((part) => part.destroy());
  }

  #listen() {
    onClick('begin-camera', () => this.#input.startCamera());
    onClick('camera', () => (this.#input.camera ? this.#cameraSwitch.open() : this.#input.startCamera()));
    onClick('other-file', () => byId('cameras', HTMLDialogElement).close());
    for (const id of ['begin-file', 'file', 'instead', 'meanwhile', 'other-file']) onClick(id, () => byId('video-file').click());
    onClick('cancel', () => this.#input.cancel());
    onClick('again', () => this.#input.retry());
    onClick('shutter', () => this.#takePhoto());
    onClick('pictures', () => {
      byId('look-file').hidden = !this.#live.player.hasLook;
      this.#photoList.show();
    });
    onClick('save-lut', () => this.#saveLut());
    onClick('numbers', () => this.#toggleNumbers());
    onClick('mirror', () => this.#mirror(!this.#memory.mirrors));
    onClick('open-link', () => this.#openLink());
    onClick('open-help', () => this.#obey('help'));
    onClick('open-pictures', () => byId('pictures').click());
    byId('menu').addEventListener('click', ({ target }) => {
      if (target instanceof Element && target.closest('button')) byId('menu').hidePopover();
    }, { capture: true }); // before a dialog opens, which gives the focus back to where it was
    onFile('video-file', (file) => this.#input.startFile(file));
    onFile('photo', (file) => this.#uploadStyle(file));
    window.addEventListener('keydown', ({ key }) => { if (key === 'Escape') this.#input.cancel(); });
    window.addEventListener('beforeunload', this.#onLeaving);
    window.addEventListener('pagehide', () => this.destroy());
    window.addEventListener('pageshow', (event) => event.persisted && location.reload());
  }

  #showLimits() {
    const limits = limitsOf(abilities());
    byId('limits').textContent = limits;
    byId('limits').hidden = !limits;
  }

  // Controls

  /** @param {import('./controls/shortcuts.js').Command} command */
  #obey(command) {
    if (command === 'help') byId('help', HTMLDialogElement).showModal();
    if (!hasPicture(this.state)) return;
    if (command === 'photo') this.#takePhoto();
    if (command === 'record') this.#record.toggle();
    if (command === 'compare') this.#comparing.toggle();
    if (command === 'full-screen') this.#fullScreen.toggle();
    if (command === 'picture-in-picture') this.#float.toggle();
    if (command === 'numbers') this.#toggleNumbers();
  }

  /** @param {boolean} isHeld whether the picture is shown untouched for a while */
  #onHeld(isHeld) {
    this.#hint.show(isHeld ? 'Before' : '', true);
  }

  /** @param {string|null} name of a look that was chosen without its tile; null if there was none to choose */
  #onLookChosen(name) {
    if (name) this.#hint.show(name);
  }

  async #takePhoto() {
    const photo = await this.#live.photo();
    if (!photo) return;
    this.#shots.addPhoto(photo.blob, photo);
    const size = this.#input.media?.photo?.size;
    if (size && size.width > photo.width) {
      this.#notices.remark(`The photo has ${size.width} × ${size.height} pixels. It is saved with `
        + `${photo.width} × ${photo.height}, the most that every browser draws.`);
    }
  }

  #toggleNumbers() {
    const readout = byId('readout');
    readout.hidden = !readout.hidden;
    press('numbers', !readout.hidden);
  }

  #openLink() {
    if (this.#looks.link) this.#link.open(this.#looks.link);
  }

  #saveLut() {
    const table = this.#live.player.lut(this.#looks.selected?.name ?? 'MVStylizer');
    if (table) download(fileOf(table));
  }

  /** @param {BeforeUnloadEvent} event */
  #onLeaving = (event) => {
    if (this.#record.recording || this.#shots.hasUnsaved) event.preventDefault(); // the browser asks the user
  };

  /** @param {File} file */
  async #uploadStyle(file) {
    const input = byId('photo', HTMLInputElement);
    input.disabled = true;
    await this.#looks.upload(file);
    input.disabled = false;
  }

  /**
   * @param {string} style the id of the style to show
   * @param {string} thumbnail the path of its picture
   */
  #onStyle(style, thumbnail) {
    byId('backdrop', HTMLImageElement).src = thumbnail;
    this.#live.setStyle(style);
  }

  /** @param {boolean} mirrors whether users see themselves as in a mirror */
  #mirror(mirrors) {
    if (mirrors !== this.#memory.mirrors) this.#memory.mirrors = mirrors;
    this.#live.mirrors = mirrors;
    press('mirror', mirrors);
  }

  /** @param {import('./capture/cameras.js').CameraChoice} choice */
  #onCamera(choice) {
    this.#memory.camera = choice;
    this.#input.startCamera(choice);
  }

  // The pipeline

  /**
   * @param {State} state
   * @param {string} sentence
   */
  #onState(state, sentence) {
    document.body.dataset.state = state;
    this.#notices.status(sentence);
    if (!hasPicture(state)) {
      this.#fading.show();
      this.#float.close();
    }
    if (state === 'idle' || state === 'failed') this.#record.stop();
  }

  /** Before a connection, make sure that the server has the chosen style, and tell it about the user's consent. */
  async #onOffer() {
    await this.#looks.dropLost();
    this.#sendShare();
  }

  #sendShare() {
    if (this.#share.message) this.#live.send(this.#share.message);
  }

  /** @param {import('./net/messages.js').GatewayMessage} message */
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
 * @param {State} state
 * @returns {boolean} whether a picture is on show
 */
function hasPicture(state) {
  return state !== 'idle' && state !== 'opening' && state !== 'failed';
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
