/** The gallery's looks on one's own picture: asks the server for them now and then, and draws the answers. */

import { PreviewSchedule } from '../net/preview_schedule.js';
import { isNewer } from '../capture/frame_strip.js';
import { blendGrids, sameShape } from '../render/grid.js';
import { drawLook, framed } from '../render/look_thumbnail.js';
import { parseMix } from '../net/style_mix.js';
import { withoutMood } from '../net/style_mood.js';

/** @typedef {import('../capture/scene_cut.js').Thumbnail} Thumbnail */
/** @typedef {import('../net/messages.js').LookPreviews} LookPreviews */
/** @typedef {import('../render/grid.js').Grid} Grid */

/**
 * @typedef {object} PreviewHandlers
 * @property {() => string[]} looks the ids of the looks in the gallery
 * @property {(look: string) => string} idOf the id by which the server is asked for a look
 * @property {(style: string) => number} strengthOf how strong a look would be if it were chosen, 0..1
 * @property {(style: string) => HTMLCanvasElement|null} canvasOf the canvas of a look's tile, which is shown from now on
 * @property {() => void} onGone the tiles show the looks' own pictures again
 */

export class Previews {
  #handlers;
  #send;
  #schedule = new PreviewSchedule();
  /** @type {{frameId: number, picture: ImageData}|null} the frame that the last request was made at */
  #asked = null;
  /** @type {ReturnType<typeof framed>|null} the picture that the tiles show */
  #picture = null;
  /** @type {Map<string, Grid>} the looks of that picture, by style, whatever its mood */
  #grids = new Map();
  /** @type {string[]} styles whose tiles are to be drawn, one in each pause */
  #waiting = [];
  /** The handle of the pause in which the next one is drawn; 0 without one. */
  #pause = 0;

  /**
   * @param {PreviewHandlers} handlers
   * @param {(message: import('../net/messages.js').ClientMessage) => void} send
   */
  constructor(handlers, send) {
    this.#handlers = handlers;
    this.#send = send;
  }

  /** @param {number|null} intervalMs how often the server takes a request; null if it takes none */
  connected(intervalMs) {
    this.#schedule.connected(intervalMs);
  }

  /**
   * Look at a frame, and ask for previews if they are due.
   * @param {number} frameId
   * @param {ImageData} picture the frame, at most 256 px long
   * @param {Thumbnail} thumbnail the frame's
   * @param {boolean} isCalm see PreviewFacts
   * @param {number} now
   */
  see(frameId, picture, thumbnail, isCalm, now) {
    const styles = this.#handlers.looks().filter((look) => !parseMix(look)).map(this.#handlers.idOf);
    if (!this.#schedule.isDue({ thumbnail, styles, isCalm }, now)) return;
    this.#asked = { frameId, picture };
    this.#send({ type: 'previews', styles });
  }

  /**
   * Take an answer; one request may have several.
   * @param {LookPreviews} previews
   */
  arrive({ frameId, styles, grids }) {
    const asked = this.#asked;
    if (!asked || isNewer(asked.frameId, frameId)) return; // it answers an earlier request
    this.#schedule.answered();
    this.#picture = framed(asked.picture);
    styles.forEach((style, index) => this.#grids.set(withoutMood(style), grids[index]));
    this.#draw(this.#handlers.looks());
  }

  /**
   * Draw a look's tile anew, because its strength has changed.
   * @param {string} style
   */
  redraw(style) {
    this.#draw([style]);
  }

  /** Forget the picture: another camera or video begins, or none is on show. */
  forget() {
    this.#schedule.restart();
    this.#asked = this.#picture = null;
    this.#grids.clear();
    this.#waiting = [];
    this.#handlers.onGone();
  }

  destroy() {
    cancelPause(this.#pause);
  }

  /**
   * @param {string} look
   * @returns {Grid|null} a mix's is made of its parts', which nobody can tell from its own
   */
  #gridOf(look) {
    const mix = parseMix(look);
    if (!mix) return this.#grids.get(look) ?? null;
    const [first, second] = [this.#grids.get(mix.first), this.#grids.get(mix.second)];
    return first && second && sameShape(first, second) ? blendGrids(first, second, mix.percent / 100) : null;
  }

  /** @param {string[]} styles */
  #draw(styles) {
    this.#waiting = [...new Set([...this.#waiting, ...styles])];
    if (!this.#pause) this.#pause = inPause(this.#drawNext);
  }

  #drawNext = () => {
    this.#pause = 0;
    const style = this.#waiting.shift();
    if (style === undefined) return;
    const grid = this.#gridOf(style);
    const canvas = grid && this.#picture && this.#handlers.canvasOf(style);
    if (canvas && this.#picture) drawLook(canvas, this.#picture, grid, this.#handlers.strengthOf(style));
    this.#draw([]);
  };
}

/**
 * Call a function when the browser has nothing to draw, or soon in a browser that does not say when that is.
 * @param {() => void} action
 * @returns {number} its handle
 */
function inPause(action) {
  if (typeof requestIdleCallback === 'undefined') return setTimeout(action, 20);
  return requestIdleCallback(action, { timeout: 500 });
}

/** @param {number} handle */
function cancelPause(handle) {
  if (typeof cancelIdleCallback === 'undefined') clearTimeout(handle);
  else cancelIdleCallback(handle);
}
