/** The button that begins and ends a recording, and the time beside it. */

import { openMicrophone } from './microphone.js';
import { Recorder } from './recorder.js';

/** How often the time is read, so that its seconds do not stumble. */
const TICK_MS = 200;
/** A browser that has not opened the microphone after this time is asking the user for permission. */
const PROMPT_MS = 700;

/** @typedef {import('./recorder.js').Recording} Recording */

/**
 * @typedef {object} RecordHandlers
 * @property {() => boolean} wantsMicrophone whether the microphone belongs to the picture
 * @property {() => MediaStreamTrack|null} sound the picture's own sound, if it has some
 * @property {() => HTMLCanvasElement} picture the picture on show
 * @property {(sink: ((picture: HTMLCanvasElement) => void)|null) => void} onSink from now on, each picture goes to it
 * @property {(recording: Recording) => void} onRecorded
 * @property {(sentence: string) => void} onRemark '' takes the last one back
 */

export class RecordButton {
  #button;
  #time;
  #handlers;
  /** Counts presses, so that a microphone that opens after the user has changed their mind is closed again. */
  #presses = 0;
  #asking = false;
  /** @type {number|undefined} the interval that shows the time */
  #timer;
  #recorder = new Recorder({
    onEnd: (recording) => this.#onEnd(recording),
    onTrouble: (sentence) => this.#handlers.onRemark(sentence),
  });

  /**
   * @param {HTMLElement} button a toggle button
   * @param {HTMLElement} time role="timer", hidden while nothing is recorded
   * @param {RecordHandlers} handlers
   */
  constructor(button, time, handlers) {
    this.#button = button;
    this.#time = time;
    this.#handlers = handlers;
  }

  start() {
    this.#button.addEventListener('click', this.toggle);
    document.addEventListener('visibilitychange', this.#onVisible);
  }

  /** @returns {boolean} whether something is being recorded */
  get recording() {
    return this.#recorder.recording;
  }

  toggle = () => {
    if (this.#asking || this.recording) return this.stop();
    this.#begin();
  };

  /** End the recording, or give up waiting for the microphone. */
  stop() {
    this.#presses += 1;
    this.#asking = false;
    this.#recorder.stop();
    this.#show();
  }

  destroy() {
    this.#button.removeEventListener('click', this.toggle);
    document.removeEventListener('visibilitychange', this.#onVisible);
    this.stop();
  }

  async #begin() {
    const press = ++this.#presses;
    this.#asking = true;
    this.#show();
    const { wantsMicrophone, sound } = this.#handlers;
    const { track, why } = wantsMicrophone() ? await this.#askForSound() : { track: sound(), why: '' };
    if (press !== this.#presses) return track?.stop();
    this.#asking = false;
    if (why) this.#handlers.onRemark(why);
    track?.addEventListener('ended', () => this.#handlers.onRemark('The sound has ended. The recording goes on without it.'));
    this.#recorder.start(this.#handlers.picture(), track);
    if (this.recording) this.#handlers.onSink((picture) => this.#recorder.add(picture));
    this.#timer = setInterval(() => this.#show(), TICK_MS);
    this.#show();
  }

  /** @returns {Promise<import('./microphone.js').Sound>} */
  async #askForSound() {
    const { onRemark } = this.#handlers;
    let isTold = false;
    const prompt = setTimeout(() => {
      onRemark('Allow the microphone to record sound, or refuse it to record without.');
      isTold = true;
    }, PROMPT_MS);
    const sound = await openMicrophone();
    clearTimeout(prompt);
    if (isTold) onRemark('');
    return sound;
  }

  /** @param {Recording|null} recording */
  #onEnd(recording) {
    this.#handlers.onSink(null);
    this.#show();
    if (recording) this.#handlers.onRecorded(recording);
  }

  /** A hidden page draws nothing, and must not go on listening. */
  #onVisible = () => {
    if (!this.recording) return;
    if (document.hidden) return this.#recorder.pause();
    this.#recorder.resume();
    this.#handlers.onRemark('The recording has left out the time while this page was hidden.');
  };

  #show() {
    if (!this.recording) clearInterval(this.#timer);
    this.#button.setAttribute('aria-pressed', String(this.recording || this.#asking));
    this.#time.hidden = !this.recording;
    const text = clock(this.#recorder.ms);
    if (this.#time.textContent !== text) this.#time.textContent = text;
  }
}

/**
 * @param {number} ms
 * @returns {string} minutes and seconds, as 1:05
 */
export function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
