/** The page: connects the live pipeline to the controls, the looks and the messages for the user. */

import { CameraSwitch } from './ui/camera_switch.js';
import { byId } from './ui/dom.js';
import { Comparing } from './controls/comparing.js';
import { Fading } from './controls/fading.js';
import { FileDrop } from './ui/file_drop.js';
import { FullScreen } from './controls/full_screen.js';
import { Gallery } from './ui/gallery.js';
import { Gestures } from './controls/gestures.js';
import { Hint } from './ui/hint.js';
import { abilities, limitsOf } from './ui/limits.js';
import { LinkDialog } from './ui/link_dialog.js';
import { LivePipeline } from './live.js';
import { chooseLook, stepLook } from './controls/look_steps.js';
import { Memory } from './ui/memory.js';
import { MixDrag } from './ui/mix_drag.js';
import { MixMode } from './ui/mix_mode.js';
import { MixShare } from './ui/mix_share.js';
import { readLink } from './ui/look_link.js';
import { MoodSlider } from './ui/mood_slider.js';
import { Moods } from './ui/moods.js';
import { Notices } from './ui/notices.js';
import { PhotoList } from './ui/photo_list.js';
import { Readout } from './ui/readout.js';
import { RecordButton } from './ui/record_button.js';
import { download, fileOf } from './shots/saving.js';
import { ScrollingRow } from './ui/scrolling_row.js';
import { Share } from './ui/share.js';
import { Shortcuts } from './controls/shortcuts.js';
import { mapParts, parseMix } from './net/style_mix.js';
import { withoutMood } from './net/style_mood.js';
import { Shots } from './ui/shots.js';

/** @typedef {import('./ui/live_state.js').State} State */

/** @type {import('./render/renderer.js').Mode[]} */
const MODES = ['grid', 'residual', 'warp'];

/** The look of the first visit: of those that come along, it flatters most faces. */
const FIRST_LOOK = 'golden-hour';

class App {
  #query = new URLSearchParams(location.search);
  #wishes = readLink(location.search);
  #readout = new Readout(byId('readout'), () => this.stats);
  #notices = new Notices({ status: byId('status'), remark: byId('remark'), card: byId('card') });
  #share = new Share(byId('pictures', HTMLButtonElement), byId('sharing', HTMLDialogElement), () => this.#sendShare());
  #memory = new Memory();
  /** @type {{look: string, strength: number}|null} the look that the page's address named, and how strong it shall be */
  #linked = null;
  #gallery = new Gallery(byId('gallery'), byId('tile', HTMLTemplateElement), 
    (style, isChosen) => this.#onStyle(style, isChosen));
  #moods = new Moods(this.#gallery, this.#memory);
  #moodSlider = new MoodSlider(byId('mood'), (percent) => this.#onMood(percent));
  #mixDrag = new MixDrag(byId('gallery'), (first, second) => this.#mix(first, second));
  #mixMode = new MixMode(byId('mix', HTMLButtonElement), byId('gallery'), {
    first: () => this.#firstToMix(),
    onMode: (isOn) => this.#notices.remark(isOn ? `Choose the look to mix with “${this.#gallery.selected?.name}”.` : ''),
    onMix: (first, second) => this.#mix(first, second),
  });
  #mixShare = new MixShare(byId('mix-share'), {
    onShare: (percent) => this.#gallery.reshare(percent),
    onRemove: () => this.#gallery.removeMix(),
  });
  #looks = new ScrollingRow(byId('gallery'));
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
    onState: (state, sentence) => this.#onState(state, sentence),
    onTrouble: (trouble) => this.#notices.trouble(trouble),
    onRemark: (sentence) => this.#notices.remark(sentence),
    onCameras: (cameras) => this.#cameraSwitch.show(cameras),
    onOffer: () => this.#onOffer(),
    onStyle: (style) => this.#onStyleRefused(style),
    onControl: (message) => this.#onControl(message),
    onMixes: (known) => this.#onMixes(known),
    previews: {
      looks: () => this.#gallery.looks,
      idOf: (look) => this.#moods.idOf(look),
      strengthOf: (style) => this.#strengthOf(style),
      canvasOf: (style) => this.#gallery.previewOf(style),
      onGone: () => this.#gallery.dropPreviews(),
    },
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
    onDeleted: (id) => this.#gallery.remove(id),
    onRemark: (sentence) => this.#notices.remark(sentence),
  });
  #shots = new Shots({
    last: byId('last-shot', HTMLButtonElement),
    viewer: byId('shots', HTMLDialogElement),
    flash: byId('flash'),
    heard: byId('heard'),
  }, (sentence) => this.#notices.remark(sentence));
  #record = new RecordButton(byId('record'), byId('recorded'), {
    wantsSound: () => this.#input.camera !== null,
    picture: () => this.output,
    onSink: (sink) => { this.#live.player.onDrawn = sink; },
    onRecorded: (recording) => this.#shots.addVideo(recording),
    onRemark: (sentence) => this.#notices.remark(sentence),
  });

  /**
   * Show the page, and do what its address asks: ?look=ID_OR_NAME&strength=0..100, with &source=camera&autostart=1 or
   * &clean=1 to open the camera at once, &background=transparent, and for tests &mode=MODE&flow=off.
   */
  async start() {
    const { look, isClean, isTransparent, starts } = this.#wishes;
    if (isClean) document.documentElement.dataset.clean = isTransparent ? 'transparent' : 'black';
    this.#listen();
    this.#live.start();
    this.#readout.start();
    this.#share.start();
    this.#cameraSwitch.start();
    this.#looks.start();
    [this.#mixDrag, this.#mixMode, this.#mixShare, this.#moodSlider].forEach((part) => part.start());
    [this.#fading, this.#fullScreen, this.#comparing, this.#gestures, this.#shortcuts, this.#link].forEach((part) => part.start());
    [this.#record, this.#shots, this.#fileDrop].forEach((part) => part.start());
    this.#showLimits();
    if (this.#memory.camera) this.#input.prefer(this.#memory.camera);
    this.#mirror(this.#memory.mirrors);
    const looks = [look && mapParts(look, withoutMood), this.#memory.look, FIRST_LOOK];
    this.#galleryLoaded = this.#gallery.start(looks.filter((each) => each !== null), this.#memory.mixes).then((place) => {
      if (look && place !== 0) this.#notices.remark('The look of this link is not on the server, or no longer.');
      else if (look) this.#followLink(look);
    });
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
    const parts = [
      this.#record, this.#shots, this.#fileDrop, this.#live, this.#cameraSwitch, this.#looks, this.#mixDrag, this.#mixMode,
      this.#mixShare, this.#moodSlider, this.#gallery, this.#share, this.#readout,
      this.#notices, this.#fading, this.#fullScreen, this.#comparing, this.#gestures, this.#shortcuts, this.#hint,
      this.#link,
    ];
    parts.forEach((part) => part.destroy());
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
    });
    onFile('video-file', (file) => this.#input.startFile(file));
    onFile('photo', (file) => this.#uploadStyle(file));
    const strength = byId('strength', HTMLInputElement);
    strength.addEventListener('input', () => this.#onStrength(strength.valueAsNumber / 100));
    strength.addEventListener('change', () => this.#onStrengthKept());
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
    const { selected, linkName, isPhotoSelected: isOwn } = this.#gallery;
    const strength = byId('strength', HTMLInputElement).valueAsNumber;
    if (selected) this.#link.open({ look: this.#moods.idOf(selected.id, linkName), strength, isOwn });
  }

  #saveLut() {
    const table = this.#live.player.lut(this.#gallery.selected?.name ?? 'MVStylizer');
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
    try {
      await this.#gallery.upload(file);
    } catch (error) {
      this.#notices.remark(error instanceof Error ? error.message : String(error));
    }
    input.disabled = false;
  }

  /** @param {number} strength of the look on show, 0..1 */
  #onStrength(strength) {
    this.#live.player.strength = strength;
    const slider = byId('strength', HTMLInputElement);
    slider.value = String(Math.round(100 * strength));
    slider.style.setProperty('--filled', `${slider.value}%`);
    slider.setAttribute('aria-valuetext', `${slider.value} %`);
    byId('strength-value').textContent = slider.value;
  }

  /**
   * @param {string} look that the page's address named, unless it named none
   * @returns {{look: string, strength: number}|null} null if the address says nothing about the strength
   */
  #linkedStrength(look) {
    const { look: named, strength } = this.#wishes;
    return named === null || strength === null ? null : { look, strength: strength / 100 };
  }

  /** The user has let the slider go. */
  #onStrengthKept() {
    const { selected } = this.#gallery;
    if (!selected) return;
    this.#linked = null;
    this.#memory.keepStrength(selected.id, byId('strength', HTMLInputElement).valueAsNumber / 100);
    this.#live.previews.redraw(selected.id);
  }

  /**
   * @param {import('./ui/gallery.js').Style} style
   * @param {boolean} isChosen whether the user did it
   */
  #onStyle(style, isChosen) {
    if (isChosen) [this.#memory.look, this.#memory.mixes] = [style.id, this.#gallery.mixes];
    else this.#linked = this.#linkedStrength(style.id);
    byId('backdrop', HTMLImageElement).src = style.thumbnail;
    this.#onStrength(this.#strengthOf(style.id));
    this.#showShare(style.id);
    this.#showInMood(style.id);
  }

  /** @param {string} link the look on show, as the page's address names it */
  #followLink(link) {
    const { selected } = this.#gallery;
    if (!selected) return;
    this.#moods.follow(link, selected.id);
    this.#showInMood(selected.id);
  }

  /** @param {string} look its id */
  #showInMood(look) {
    this.#moodSlider.show(look, this.#moods.of(look));
    this.#live.setStyle(this.#moods.idOf(look));
  }

  /** @param {number} percent how much of the mood of the look on show is wanted */
  #onMood(percent) {
    const { selected } = this.#gallery;
    if (!selected) return;
    this.#moods.set(selected.id, percent);
    this.#showInMood(selected.id);
  }

  // Mixes

  /** @param {boolean} known whether the server knows mixes */
  #onMixes(known) {
    byId('mix').hidden = !known;
    this.#mixDrag.enabled = known;
  }

  /** @returns {string|null} the id of the look on show; null if it is a mix itself */
  #firstToMix() {
    const { selected } = this.#gallery;
    if (selected && !parseMix(selected.id)) return selected.id;
    this.#notices.remark('A mix cannot be mixed once more. Choose another look first.');
    return null;
  }

  /**
   * @param {string} first
   * @param {string} second
   */
  #mix(first, second) {
    this.#gallery.mix(first, second);
    const { selected } = this.#gallery;
    if (selected) this.#notices.remark(`“${selected.name}”: the slider says how much of each.`);
  }

  /** @param {string} look its id */
  #showShare(look) {
    const mix = parseMix(look);
    this.#mixShare.show(mix, mix ? [this.#gallery.nameOf(mix.first), this.#gallery.nameOf(mix.second)] : ['', '']);
    this.#live.previews.redraw(look);
  }

  // Strength

  /**
   * @param {string} look its id
   * @returns {number} 0..1
   */
  #strengthOf(look) {
    return this.#linked?.look === look ? this.#linked.strength : this.#memory.strengthOf(look);
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

  /** @param {string} style the server's, instead of the one that was chosen */
  #onStyleRefused(style) {
    this.#notices.remark('The server did not take this look, and goes on with the one before.');
    this.#gallery.select(mapParts(style, withoutMood));
  }

  // The pipeline

  /**
   * @param {State} state
   * @param {string} sentence
   */
  #onState(state, sentence) {
    document.body.dataset.state = state;
    this.#notices.status(sentence);
    if (!hasPicture(state)) this.#fading.show();
    if (state === 'idle' || state === 'failed') this.#record.stop();
  }

  /** Before a connection, make sure that the server has the chosen style, and tell it about the user's consent. */
  async #onOffer() {
    await this.#galleryLoaded;
    const lost = await this.#gallery.dropLost();
    if (lost) this.#notices.remark(`The server no longer has “${lost}”. A photo of yours can be added once more.`);
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
