/** The page: a source of frames, a player that draws them, and a session that brings new looks. */

import { isNewer } from './framestamp.js';
import { Gallery } from './gallery.js';
import { Notices } from './notices.js';
import { Player } from './player.js';
import { Readout } from './readout.js';
import { Recorder, download } from './recorder.js';
import { SentPicture } from './sender.js';
import { Session } from './session.js';
import { Share } from './share.js';
import { VideoSource } from './source.js';
import { Stats } from './stats.js';
import { Tracker } from './tracker.js';
import { Trouble, requireWebRtc } from './trouble.js';

const element = (id) => document.getElementById(id);

/**
 * @typedef {'idle'|'starting'|'connecting'|'waiting'|'live'|'reconnecting'|'error'} State
 *   live: the first look is on show; waiting: the server is full
 */

const MODES = ['grid', 'residual', 'warp'];

class App {
  #query = new URLSearchParams(location.search);
  #mode = MODES.find((mode) => mode === this.#query.get('mode')) ?? MODES[0];
  #stats = new Stats();
  #readout = new Readout(element('readout'), () => this.stats);
  #notices = new Notices(element('status'), element('card'));
  #share = new Share(element('pictures'), element('sharing'), () => this.#tellShare());
  #gallery = new Gallery(element('gallery'), element('tile'), (style) => this.#onStyle(style));
  #player = new Player({
    output: element('output'),
    picture: element('picture'),
    divider: element('divider'),
    stage: element('stage'),
    dock: element('dock'),
  }, this.#mode);
  #recorder = new Recorder(this.#player.output, (recording) => press('record', recording));
  #source = new VideoSource(element('video'), {
    isBusy: () => this.#player.busy,
    onFrame: (video) => this.#onFrame(video),
    onEnded: () => this.#fail(new Trouble('The camera went away', 'It was unplugged, or another app took it.')),
  });
  /** @type {SentPicture|null} */
  #sender = null;
  /** @type {Tracker|null} null: the look stays in place when the picture moves */
  #tracker = null;
  /** @type {Session|null} */
  #session = null;
  /** @type {Promise<void>} */
  #galleryLoaded;
  #newestKeyFrame = null;
  /** Of the frame on show. */
  #frameId = null;
  #opening = false;
  #again = () => {};

  /** @type {State} */
  state = 'idle';

  /** Show the page, and do what its address asks: ?source=camera&style=ID_OR_NAME&autostart=1&mode=MODE&flow=off */
  async start() {
    const query = this.#query;
    this.#listen();
    this.#player.start();
    this.#readout.start();
    this.#share.start();
    this.#galleryLoaded = this.#gallery.start(query.get('style'));
    if (query.get('source') === 'camera' && query.get('autostart') === '1') await this.#useCamera('user');
  }

  get stats() {
    return { ...this.#stats.snapshot(performance.now()), ...this.#tracker?.stats };
  }

  get output() {
    return this.#player.output;
  }

  /** See Player.snapshot. */
  snapshot() {
    return this.#player.snapshot();
  }

  destroy() {
    this.#endSession();
    const parts = [
      this.#recorder, this.#source, this.#gallery, this.#share, this.#readout, this.#notices, this.#player,
    ];
    parts.forEach((part) => part.destroy());
  }

  #listen() {
    const onClick = (id, action) => element(id).addEventListener('click', action);
    for (const id of ['begin-camera', 'camera']) onClick(id, () => this.#useCamera(this.#source.facing));
    for (const id of ['begin-file', 'file', 'instead']) onClick(id, () => element('video-file').click());
    onClick('flip', () => this.#useCamera(this.#source.facing === 'user' ? 'environment' : 'user'));
    onClick('again', () => this.#again());
    onClick('shutter', async () => download(await this.#player.photo()));
    onClick('record', () => this.#recorder.toggle());
    onClick('compare', () => press('compare', this.#player.toggleCompare()));
    onFile('video-file', (file) => this.#use(() => this.#source.startFile(file)));
    onFile('photo', (file) => this.#uploadStyle(file));
    element('strength').addEventListener('input', (event) => this.#onStrength(event.target));
    element('record').hidden = !Recorder.supported;
    window.addEventListener('pagehide', () => this.destroy());
    window.addEventListener('pageshow', (event) => event.persisted && location.reload());
  }

  // Source

  async #useCamera(facing) {
    await this.#use(() => this.#source.startCamera(facing));
    element('flip').hidden = !await VideoSource.hasSecondCamera();
  }

  async #use(begin) {
    if (this.#opening) return; // a second tap while the first is being answered
    this.#opening = true;
    this.#again = () => this.#use(begin);
    this.#notices.trouble(null);
    if (!this.#session) this.#setState('starting', 'Opening the picture…');
    try {
      requireWebRtc();
      await begin();
      this.#player.mirrored = this.#source.mirrored;
    } catch (error) {
      this.#fail(error instanceof Trouble ? error : new Trouble('This did not start', `${error.message}.`));
    }
    this.#opening = false;
  }

  #fail(trouble) {
    this.#source.stop();
    this.#endSession();
    this.#setState('error', '');
    this.#notices.trouble(trouble);
  }

  #onFrame(video) {
    const now = performance.now();
    if (!this.#session) this.#beginSession();
    this.#frameId = this.#sender.send(video, now);
    this.#stats.framesSent += 1;
    this.#tracker?.see(this.#frameId, this.#sender.frame, now);
    this.#player.show(this.#toShow(video), this.#tracker?.flow);
    this.#stats.frame(now);
  }

  /** Where the CPU does the GPU's work a video's frame is costly to take: once is enough, if it was sent as large. */
  #toShow(video) {
    const whole = { source: video, width: video.videoWidth, height: video.videoHeight };
    const { frame } = this.#sender;
    return this.#player.onCpu && frame.width === whole.width && frame.height === whole.height ? frame : whole;
  }

  // Session

  #beginSession() {
    const { onCpu, usesFlow } = this.#player;
    this.#sender = new SentPicture(onCpu, (width, height) => this.#session.setSize(width, height));
    if (usesFlow && this.#query.get('flow') !== 'off') this.#track();
    this.#session = new Session(() => this.#request(), {
      onStylized: (frame) => this.#onStylized(frame),
      onControl: (message) => this.#onControl(message),
      onConnecting: () => this.#onConnecting(),
      onLost: (reason) => this.#onLost(reason),
      onFull: (reason) => this.#setState('waiting', `${reason} This page does so by itself.`),
      onMalformed: () => { this.#stats.malformed += 1; },
    });
    this.#session.start();
  }

  #track() {
    this.#tracker = new Tracker(this.#player.onCpu, this.#mode, (frameId) => {
      if (frameId === this.#frameId) this.#player.follow(this.#tracker.flow);
    });
  }

  #endSession() {
    this.#session?.destroy();
    this.#sender?.destroy();
    this.#tracker?.destroy();
    this.#session = this.#sender = this.#tracker = null;
  }

  async #request() {
    await this.#galleryLoaded;
    this.#tellShare(); // a session begins without a word
    const { stream, width, height } = this.#sender;
    return { stream, width, height, style: this.#gallery.selected?.id ?? '' };
  }

  #onConnecting() {
    this.#newestKeyFrame = null;
    this.#tracker?.dropPending();
    if (this.state === 'starting') this.#setState('connecting', 'Warming up…');
  }

  #onLost(reason) {
    this.#stats.reconnects += 1;
    this.#setState('reconnecting', `${reason} Trying again…`);
  }

  #onStylized({ frameId, styleId, cut, grid }) {
    const isLate = this.#newestKeyFrame !== null && !isNewer(frameId, this.#newestKeyFrame);
    if (isLate || styleId !== this.#gallery.selected?.id) {
      this.#stats.stale += 1;
      return;
    }
    this.#newestKeyFrame = frameId;
    const toOlder = this.#tracker?.flow;
    const picture = this.#tracker?.show(frameId);
    this.#player.arrive(grid, cut, { picture, toOlder, toNewer: this.#tracker?.flow });
    this.#stats.keyFrame(this.#sender.sentAt(frameId), performance.now());
    this.#setState('live', '');
  }

  #tellShare() {
    if (this.#share.message) this.#session?.send(this.#share.message);
  }

  #onControl({ type, frame_id: frameId, on, error }) {
    if (type === 'share') this.#onShared(on);
    if (type === 'share_again') {
      this.#share.again();
      this.#tellShare();
    }
    if (type === 'key_frame') this.#tracker?.announce(frameId);
    if (type === 'dropped') {
      this.#stats.dropped += 1;
      this.#tracker?.drop(frameId);
    }
    if (type === 'error') this.#notices.remark(String(error));
  }

  #onShared(on) {
    this.#share.confirm(on);
    if (!on) this.#notices.remark('The pictures you shared are deleted.');
  }

  // Look

  #onStyle(style) {
    element('backdrop').src = style.thumbnail;
    this.#session?.setStyle(style.id);
    if (this.state === 'live') this.#notices.status('Changing the look…');
  }

  async #uploadStyle(file) {
    element('photo').disabled = true;
    try {
      await this.#gallery.upload(file);
    } catch (error) {
      this.#notices.remark(error.message);
    }
    element('photo').disabled = false;
  }

  #onStrength(slider) {
    this.#player.strength = slider.value / 100;
    slider.style.setProperty('--filled', `${slider.value}%`);
    element('strength-value').textContent = slider.value;
  }

  /**
   * @param {State} state
   * @param {string} status what to say about it
   */
  #setState(state, status) {
    this.state = state;
    document.body.dataset.state = state;
    this.#notices.status(status);
  }
}

function press(id, pressed) {
  element(id).setAttribute('aria-pressed', String(pressed));
}

function onFile(id, use) {
  element(id).addEventListener('change', ({ target }) => {
    const [file] = target.files;
    target.value = ''; // so that the same file can be chosen again
    if (file) use(file);
  });
}

window.mvstylizer = new App();
window.mvstylizer.start();
