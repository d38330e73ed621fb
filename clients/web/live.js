/** The live pipeline: sends the frames of a camera or file to the gateway, and draws them in the style it answers. */

import { isNewer } from './capture/frame_strip.js';
import { Player } from './render/player.js';
import { SentPicture } from './capture/sender.js';
import { Session } from './net/session.js';
import { VideoSource } from './capture/source.js';
import { Stats } from './ui/stats.js';
import { Tracker } from './flow/tracker.js';
import { Trouble, requireWebRtc } from './ui/trouble.js';

/** @typedef {import('./net/messages.js').ControlMessage} ControlMessage */
/** @typedef {import('./net/messages.js').StylizedFrame} StylizedFrame */
/** @typedef {import('./capture/source.js').Facing} Facing */

/**
 * idle: nothing is shown yet; starting: the camera or file is being opened; connecting: frames are shown, the gateway
 * is being asked; waiting: the gateway is full; live: a look is on show; reconnecting: the connection was lost;
 * error: the camera or file does not play.
 * @typedef {'idle'|'starting'|'connecting'|'waiting'|'live'|'reconnecting'|'error'} State
 */

/** @typedef {import('./render/player.js').PlayerElements & {video: HTMLVideoElement}} LiveElements the video is hidden */

/**
 * @typedef {object} LiveOptions
 * @property {import('./render/renderer.js').Mode} [mode]
 * @property {boolean} [usesFlow] false: the look stays in place when the picture moves
 */

/**
 * @typedef {object} LiveHandlers
 * @property {(state: State, reason: string) => void} onState called at each step, with a sentence where there is more
 *   to say, or else ''
 * @property {(trouble: Trouble|null) => void} onTrouble why nothing is shown; null when it is tried again
 * @property {() => Promise<void>} onOffer awaited before each connection: time to choose a style, and to `send` what
 *   the gateway must hear each time
 * @property {(message: ControlMessage) => void} onControl the gateway's messages
 */

export class LivePipeline {
  #handlers;
  #mode;
  #usesFlow;
  #source;
  #stats = new Stats();
  /** @type {{sender: SentPicture, tracker: Tracker|null, session: Session}|null} while frames are sent */
  #link = null;
  /** @type {string|null} the id of the style to stylize with */
  #style = null;
  /** @type {number|null} the key frame whose look is on show, of the present connection */
  #newestKeyFrame = null;
  /** @type {number|null} the frame on show */
  #frameId = null;
  #opening = false;
  /** @type {() => Promise<void>} opens again what was opened last */
  #reopen = async () => {};

  /** @type {State} */
  state = 'idle';

  /** Draws the picture. */
  player;

  /**
   * @param {LiveElements} elements
   * @param {LiveHandlers} handlers
   * @param {LiveOptions} [options]
   */
  constructor({ video, ...elements }, handlers, { mode = 'grid', usesFlow = true } = {}) {
    this.#handlers = handlers;
    this.#mode = mode;
    this.#usesFlow = usesFlow;
    this.player = new Player(elements, mode);
    this.#source = new VideoSource(video, {
      isBusy: () => this.player.busy,
      onFrame: () => this.#onFrame(video),
      onEnded: () => this.#fail(new Trouble('The camera went away', 'It was unplugged, or another app took it.')),
    });
  }

  start() {
    this.player.start();
  }

  /** @returns {import('./ui/readout.js').LiveStats} */
  get stats() {
    return { ...this.#stats.snapshot(performance.now()), ...this.#link?.tracker?.stats };
  }

  /** @returns {Facing} the camera in use, or the one used last */
  get facing() {
    return this.#source.facing;
  }

  /**
   * Show and send the camera; a failure goes to `onTrouble`.
   * @param {Facing} facing
   */
  async startCamera(facing) {
    await this.#open(() => this.#source.startCamera(facing));
  }

  /**
   * Show and send a video file, over and over; a failure goes to `onTrouble`.
   * @param {File} file
   */
  async startFile(file) {
    await this.#open(() => this.#source.startFile(file));
  }

  /** Try again what failed. */
  async retry() {
    await this.#reopen();
  }

  /** @param {string} style id of the style from now on */
  setStyle(style) {
    this.#style = style;
    this.#link?.session.setStyle(style);
  }

  /** @param {import('./net/messages.js').ClientMessage} message for the gateway; lost when there is no connection */
  send(message) {
    this.#link?.session.send(message);
  }

  destroy() {
    this.#unlink();
    this.#source.destroy();
    this.player.destroy();
  }

  // Source

  /** @param {() => Promise<void>} begin */
  async #open(begin) {
    if (this.#opening) return; // a second tap while the user is still being asked for permission
    this.#opening = true;
    this.#reopen = () => this.#open(begin);
    this.#handlers.onTrouble(null);
    if (!this.#link) this.#setState('starting');
    try {
      requireWebRtc();
      await begin();
      this.player.mirrored = this.#source.mirrored;
    } catch (error) {
      this.#fail(error instanceof Trouble ? error : new Trouble('This did not start', `${messageOf(error)}.`));
    }
    this.#opening = false;
  }

  /** @param {Trouble} trouble */
  #fail(trouble) {
    this.#source.stop();
    this.#unlink();
    this.#setState('error');
    this.#handlers.onTrouble(trouble);
  }

  /** @param {HTMLVideoElement} video */
  #onFrame(video) {
    const now = performance.now();
    const { sender, tracker } = this.#link ?? this.#connect();
    this.#frameId = sender.send(video, now);
    this.#stats.framesSent += 1;
    tracker?.see(this.#frameId, sender.frame, now);
    this.player.show(this.#toShow(video, sender.frame), tracker?.flow);
    this.#stats.frame(now);
  }

  /**
   * Without a GPU it is costly to take a video's frame: once is enough if it was sent in full size.
   * @param {HTMLVideoElement} video
   * @param {import('./render/renderer.js').Frame} sent
   * @returns {import('./render/renderer.js').Frame}
   */
  #toShow(video, sent) {
    const { videoWidth: width, videoHeight: height } = video;
    const isAsLarge = sent.width === width && sent.height === height;
    return this.player.onCpu && isAsLarge ? sent : { source: video, width, height };
  }

  // Link to the gateway

  #connect() {
    const { onCpu, usesFlow } = this.player;
    const sender = new SentPicture(onCpu, (width, height) => session.setSize(width, height));
    const tracker = usesFlow && this.#usesFlow ? this.#track(onCpu) : null;
    const session = new Session(() => this.#request(sender), {
      onStylized: (frame) => this.#onStylized(frame),
      onControl: (message) => this.#onControl(message),
      onConnecting: () => this.#onConnecting(),
      onLost: (reason) => this.#onLost(reason),
      onFull: (reason) => this.#setState('waiting', reason),
      onMalformed: () => { this.#stats.malformed += 1; },
    });
    this.#link = { sender, tracker, session };
    session.start();
    return this.#link;
  }

  /** @param {boolean} onCpu */
  #track(onCpu) {
    const tracker = new Tracker(onCpu, this.#mode, (frameId) => {
      if (frameId === this.#frameId) this.player.follow(tracker.flow);
    });
    return tracker;
  }

  #unlink() {
    this.#link?.session.destroy();
    this.#link?.sender.destroy();
    this.#link?.tracker?.destroy();
    this.#link = null;
  }

  /**
   * @param {SentPicture} sender
   * @returns {Promise<import('./net/session.js').SessionRequest>}
   */
  async #request(sender) {
    await this.#handlers.onOffer();
    return { stream: sender.stream, width: sender.width, height: sender.height, style: this.#style ?? '' };
  }

  #onConnecting() {
    this.#newestKeyFrame = null;
    this.#link?.tracker?.dropPending();
    if (this.state === 'starting') this.#setState('connecting');
  }

  /** @param {string} reason */
  #onLost(reason) {
    this.#stats.reconnects += 1;
    this.#setState('reconnecting', reason);
  }

  /** @param {StylizedFrame} frame */
  #onStylized({ frameId, styleId, cut, grid }) {
    if (!this.#link) return;
    const { sender, tracker } = this.#link;
    const isLate = this.#newestKeyFrame !== null && !isNewer(frameId, this.#newestKeyFrame);
    if (isLate || styleId !== this.#style) {
      this.#stats.stale += 1;
      return;
    }
    this.#newestKeyFrame = frameId;
    const toOlder = tracker?.flow;
    const picture = tracker?.show(frameId);
    this.player.arrive(grid, cut, { picture, toOlder, toNewer: tracker?.flow });
    this.#stats.keyFrame(sender.sentAt(frameId), performance.now());
    this.#setState('live');
  }

  /** @param {ControlMessage} message */
  #onControl(message) {
    const { type, frame_id: frameId } = message;
    if (type === 'key_frame') this.#link?.tracker?.announce(Number(frameId));
    if (type === 'dropped') {
      this.#stats.dropped += 1;
      this.#link?.tracker?.drop(Number(frameId));
    }
    this.#handlers.onControl(message);
  }

  /**
   * @param {State} state
   * @param {string} [reason]
   */
  #setState(state, reason = '') {
    this.state = state;
    this.#handlers.onState(state, reason);
  }
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
