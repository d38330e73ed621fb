/** The live pipeline: sends the frames of a camera or file to the gateway, and draws them with the grids it answers. */

import { isCut, thumbnailOf } from '../capture/scene_cut.js';
import { FramePacer } from '../capture/frame_pacer.js';
import { isNewer } from '../capture/frame_strip.js';
import { Input } from '../capture/input.js';
import { Player } from '../render/player.js';
import { Previews } from './previews.js';
import { SentPicture } from '../capture/sender.js';
import { SmallFrame } from '../flow/small_frame.js';
import { Session } from '../net/session.js';
import { StyleChoice } from '../net/style_choice.js';
import { NOTHING, after, sentenceAt, stateAt } from './live_state.js';
import { Stats } from './stats.js';
import { Tracker } from '../flow/tracker.js';

/** How often the state is computed even when nothing happens, because it changes with time, too. */
const TICK_MS = 500;

/** @typedef {import('../basics/canvas.js').Frame} Frame */
/** @typedef {import('../capture/cameras.js').Camera} Camera */
/** @typedef {import('../net/messages.js').GatewayMessage} GatewayMessage */
/** @typedef {import('../net/messages.js').StylizedFrame} StylizedFrame */
/** @typedef {import('./live_state.js').State} State */
/** @typedef {import('./live_state.js').LiveEvent} LiveEvent */
/** @typedef {import('../capture/trouble.js').Trouble} Trouble */

/** @typedef {import('../render/player.js').PlayerElements & {video: HTMLVideoElement}} LiveElements the video is hidden */

/**
 * @typedef {object} LiveOptions
 * @property {import('../render/renderer.js').Mode} [mode]
 * @property {boolean} [usesFlow] if false, the look stays in place when the picture moves
 */

/**
 * @typedef {object} LiveHandlers
 * @property {(state: State, sentence: string) => void} onState called whenever one of them changes
 * @property {(trouble: Trouble|null) => void} onTrouble why nothing is shown; null when opening begins again
 * @property {(sentence: string) => void} onRemark something failed, and the present source goes on
 * @property {(cameras: Camera[]) => void} onCameras the available cameras; called again when they change
 * @property {() => Promise<void>} onOffer awaited before each connection, to choose a style and to `send` what the
 *   gateway must be told each time
 * @property {(style: string) => void} onStyle the gateway insists on this style instead of the chosen one
 * @property {(message: GatewayMessage) => void} onControl the gateway's messages
 * @property {(known: boolean) => void} onMixes whether the gateway knows mixes of looks
 * @property {import('./previews.js').PreviewHandlers} previews of the gallery's looks
 */

export class LivePipeline {
  #handlers;
  #mode;
  #usesFlow;
  #stats = new Stats();
  #style = new StyleChoice();
  /** @type {{sender: SentPicture, small: SmallFrame, tracker: Tracker|null, session: Session}|null} while frames are sent */
  #link = null;
  #pacer = new FramePacer();
  /** @type {import('../capture/scene_cut.js').Thumbnail|null} of the last frame */
  #thumbnail = null;
  /** @type {number|null} the key frame whose look is on show, of the present connection */
  #newestKeyFrame = null;
  /** @type {number|null} the frame on show */
  #frameId = null;
  /** @type {import('../capture/media.js').Media|null} the camera or file that the frame on show is from */
  #media = null;

  #mirrors = true;
  #facts = NOTHING;
  /** Whether the source ended while nobody looked: phones take the camera from pages in the background. */
  #endedUnseen = false;
  /** The state and sentence that the handler was told last. */
  #told = '';
  /** @type {number|undefined} an interval */
  #timer;

  /** Shows the gallery's looks on the picture. */
  previews;
  /** Draws the picture. */
  player;
  /** Opens cameras and files. */
  input;

  /**
   * @param {LiveElements} elements
   * @param {LiveHandlers} handlers
   * @param {LiveOptions} [options]
   */
  constructor({ video, ...elements }, handlers, { mode = 'grid', usesFlow = true } = {}) {
    this.#handlers = handlers;
    this.#mode = mode;
    this.#usesFlow = usesFlow;
    this.previews = new Previews(handlers.previews, (message) => this.send(message));
    this.player = new Player(elements, mode);
    this.input = new Input(video, {
      isBusy: () => this.player.busy,
      onFrame: (frame) => this.#onFrame(frame),
      onOpening: (what) => this.#onOpening(what),
      onPlaying: () => this.#onPlaying(),
      onCancelled: () => this.#note({ type: 'cancelled' }),
      onStopped: (trouble) => this.#onStopped(trouble),
      onRemark: handlers.onRemark,
      onCameras: handlers.onCameras,
    });
  }

  start() {
    this.player.start();
    this.input.start();
    this.#timer = setInterval(() => this.#tell(), TICK_MS);
    document.addEventListener('visibilitychange', this.#onVisible);
  }

  /** @returns {State} */
  get state() {
    return stateAt(this.#facts, performance.now());
  }

  /** @returns {import('./stats.js').LiveStats} */
  get stats() {
    return { ...this.#stats.snapshot(performance.now()), ...this.#link?.tracker?.stats };
  }

  /** @param {boolean} mirrors whether users see themselves as in a mirror; other cameras and files never are mirrored */
  set mirrors(mirrors) {
    this.#mirrors = mirrors;
    this.player.mirrored = mirrors && this.input.mirrored;
  }

  /** @param {string} style id of the style from now on */
  setStyle(style) {
    this.#style.choose(style, performance.now());
    this.#link?.session.setStyle(style);
    this.#note({ type: 'style' });
  }

  /** @param {import('../net/messages.js').ClientMessage} message for the gateway; it is lost if there is no connection */
  send(message) {
    this.#link?.session.send(message);
  }

  /** @returns {Promise<import('../render/player.js').Picture|null>} the picture, of a photo the whole one; null if there is none */
  photo() {
    return this.player.photo(this.input.media?.photo?.full);
  }

  destroy() {
    clearInterval(this.#timer);
    document.removeEventListener('visibilitychange', this.#onVisible);
    this.#unlink();
    this.previews.destroy();
    this.input.destroy();
    this.player.destroy();
  }

  // Input

  /** @param {import('./live_state.js').Opening} what */
  #onOpening(what) {
    this.#handlers.onTrouble(null);
    this.#note({ type: 'opening', what });
  }

  #onPlaying() {
    this.mirrors = this.#mirrors;
    this.#note({ type: 'playing' });
  }

  /** @param {Trouble|null} trouble null if the user wanted it so */
  #onStopped(trouble) {
    this.#unlink();
    this.#media = null;
    this.previews.forget();
    this.#endedUnseen = trouble !== null && document.hidden;
    this.#note({ type: trouble ? 'failed' : 'stopped' });
    this.#handlers.onTrouble(trouble);
  }

  /**
   * A hidden page gives no frames, and says so, or the server would wait for them. This is no sign of a frozen source
   * once the page is visible again.
   */
  #onVisible = () => {
    this.send({ type: 'pause', on: document.hidden });
    if (document.hidden) return;
    if (this.input.playing) this.#note({ type: 'frame' });
    if (this.#endedUnseen) this.input.retry();
    this.#endedUnseen = false;
  };

  /** @param {Frame} frame */
  #onFrame(frame) {
    const now = performance.now();
    const isOther = this.#begin(this.input.media);
    const { sender, small, tracker } = this.#link ?? this.#connect();
    this.#frameId = sender.take(frame, now);
    this.#stats.framesSeen += 1;
    this.#facts = after(this.#facts, { type: 'frame' }, now);
    const pixels = small.read(sender.frame);
    this.#send(this.#frameId, pixels, isOther, now);
    if (this.#thumbnail) this.previews.see(this.#frameId, pixels, this.#thumbnail, this.#isCalm(now), now);
    tracker?.see(this.#frameId, sender.frame, pixels, now);
    this.player.show(this.#toShow(frame, sender.frame), tracker?.flow);
    this.#stats.frame(now);
  }

  /**
   * Show the frames of another camera or file as they are, until the first look of one of them comes.
   * @param {import('../capture/media.js').Media|null} media that the next frame is from
   * @returns {boolean} whether it is another one
   */
  #begin(media) {
    if (media === this.#media) return false;
    this.#media = media;
    this.#newestKeyFrame = this.#frameId; // looks of earlier frames are those of the source before
    this.player.forget();
    this.previews.forget();
    this.#note({ type: 'source' });
    return true;
  }

  /**
   * Send the frame, if the gateway wants it or cannot know that it begins another scene.
   * @param {number} frameId
   * @param {import('../basics/canvas.js').Pixels} pixels
   * @param {boolean} isOther whether it is the first frame of another camera or file
   * @param {number} now
   */
  #send(frameId, pixels, isOther, now) {
    const before = this.#thumbnail;
    this.#thumbnail = thumbnailOf(pixels);
    const cause = this.#pacer.cause(now, before !== null && (isOther || isCut(before, this.#thumbnail)));
    if (cause === null) return;
    if (cause === 'cut' && this.#facts.link === 'connected') this.send({ type: 'cut', frame_id: frameId });
    this.#link?.sender.send();
    this.#stats.framesSent += 1;
  }

  /**
   * @param {number} now
   * @returns {boolean} whether the server has time for more than the look on show
   */
  #isCalm(now) {
    return this.#facts.busyS === null && stateAt(this.#facts, now) === 'live';
  }

  /**
   * The frame to draw. Without a GPU it is costly to read a video's frame, so a picture that was sent in full size is
   * used again.
   * @param {Frame} frame
   * @param {Frame} sent
   * @returns {Frame}
   */
  #toShow(frame, sent) {
    const isAsLarge = sent.width === frame.width && sent.height === frame.height;
    return this.player.onCpu && isAsLarge ? sent : frame;
  }

  // Link to the gateway

  #connect() {
    const { onCpu, usesFlow } = this.player;
    const sender = new SentPicture(onCpu, (width, height) => session.setSize(width, height));
    const tracker = usesFlow && this.#usesFlow ? this.#track() : null;
    const session = new Session(() => this.#request(sender), {
      onStylized: (frame) => this.#onStylized(frame),
      onControl: (message) => this.#onControl(message),
      onConnecting: () => this.#onConnecting(),
      onPreviews: (previews) => this.previews.arrive(previews),
      onConnected: (pace) => this.#onConnected(pace),
      onLost: (reason) => this.#onLost(reason),
      onFull: (reason) => this.#note({ type: 'full', reason }),
      onMalformed: () => { this.#stats.malformed += 1; },
    });
    this.#link = { sender, small: new SmallFrame(onCpu), tracker, session };
    this.#thumbnail = null;
    session.start();
    return this.#link;
  }

  #track() {
    const tracker = new Tracker(this.#mode === 'grid', (frameId) => {
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
   * @returns {Promise<import('../net/session.js').SessionRequest>}
   */
  async #request(sender) {
    await this.#handlers.onOffer();
    this.#style.offered(performance.now());
    return { stream: sender.stream, width: sender.width, height: sender.height, style: this.#style.id ?? '' };
  }

  #onConnecting() {
    this.#newestKeyFrame = null;
    this.#pacer.begin();
    this.#link?.tracker?.dropPending();
    this.#note({ type: 'connecting' });
  }

  /** @param {import('../net/connection.js').GatewayPace} pace */
  #onConnected({ intervalMs, previewsMs, mixes }) {
    if (document.hidden) this.send({ type: 'pause', on: true });
    this.previews.connected(previewsMs);
    this.#handlers.onMixes(mixes);
    this.#note({ type: 'connected', intervalMs });
  }

  /** @param {string} reason */
  #onLost(reason) {
    this.#stats.reconnects += 1;
    this.#note({ type: 'lost', reason });
  }

  /** @param {StylizedFrame} frame */
  #onStylized({ frameId, styleId, cut, grid }) {
    if (!this.#link) return;
    const { sender, tracker } = this.#link;
    const isLate = this.#newestKeyFrame !== null && !isNewer(frameId, this.#newestKeyFrame);
    if (isLate || !this.#wears(styleId)) {
      this.#stats.stale += 1;
      return;
    }
    this.#newestKeyFrame = frameId;
    const toOlder = tracker?.flow;
    const picture = tracker?.show(frameId);
    this.player.arrive(grid, cut, { picture, toOlder, toNewer: tracker?.flow });
    this.#stats.keyFrame(sender.takenAt(frameId), performance.now());
    this.#note({ type: 'look' });
  }

  /**
   * @param {string} styleId of a look
   * @returns {boolean} whether it is to be shown
   */
  #wears(styleId) {
    const verdict = this.#style.judge(styleId, performance.now());
    if (verdict === 'repeat' && this.#style.id) this.send({ type: 'style', style: this.#style.id });
    if (verdict === 'yield') this.#handlers.onStyle(styleId);
    return verdict === 'show' || verdict === 'yield';
  }

  /** @param {GatewayMessage} message */
  #onControl(message) {
    const { type, frame_id: frameId, look_interval_s: busyS } = message;
    this.#pacer.obey(message);
    if (type === 'pace') {
      this.#link?.session.limitVideo(this.#pacer.maxBitsPerS);
      this.#note({ type: 'pace', busyS: busyS === undefined ? null : Number(busyS) });
    }
    if (type === 'key_frame') {
      this.#link?.tracker?.announce(Number(frameId));
      this.#note({ type: 'asked' });
    }
    if (type === 'dropped') {
      this.#stats.dropped += 1;
      this.#link?.tracker?.drop(Number(frameId));
    }
    this.#handlers.onControl(message);
  }

  // State

  /** @param {LiveEvent} event */
  #note(event) {
    this.#facts = after(this.#facts, event, performance.now());
    this.#tell();
  }

  #tell() {
    if (document.hidden) return; // nobody could read it, and no frames are due
    const now = performance.now();
    const [state, sentence] = [stateAt(this.#facts, now), sentenceAt(this.#facts, now)];
    if (`${state} ${sentence}` === this.#told) return;
    this.#told = `${state} ${sentence}`;
    this.#handlers.onState(state, sentence);
  }
}
