/**
 * Decides with which grid frames are drawn: it fades from one answer to the next, and mixes in the identity by strength.
 * The twin of clients/reassembly/grid_fade.py.
 */

import { blendGrids, carryGrid, identityGrid, sameShape } from './grid.js';

/** Length of a fade: long enough to hide the switch, short enough to follow the scene; 0.27 s at 30 fps. */
const FADE_FRAMES = 8;
/** No change of any colour. Answers have another shape, so none is faded to from this. */
const NOTHING = identityGrid([1, 1, 1]);

/** @typedef {import('./grid.js').Grid} Grid */
/** @typedef {import('./grid.js').NormalizedFlow} NormalizedFlow */

export class GridFade {
  /** @type {Grid} the newest answer */
  #to = NOTHING;
  /** @type {{from: Grid, to: Grid}|null} the grids to fade between, with finer cells; null without a fade */
  #fade = null;
  /** Frames of the fade shown so far. */
  #faded = FADE_FRAMES;
  #strength = 1;
  #changed = true;

  /** Leave every colour as it is, from the next frame on, until another grid comes; there is no fade to that one. */
  forget() {
    this.#to = NOTHING;
    this.#fade = null;
    this.#faded = FADE_FRAMES;
    this.#changed = true;
  }

  /** @param {number} strength how much of the style is mixed in: 0 is the untouched picture, 1 the full style */
  set strength(strength) {
    this.#strength = strength;
    this.#changed = true;
  }

  /**
   * Take a new grid. There is no fade after a cut, or from a grid of another shape, which is another scene's.
   * @param {Grid} grid
   * @param {boolean} cut
   * @param {NormalizedFlow} [toNewer] from the frame on show to the new grid's key frame
   * @param {NormalizedFlow} [toOlder] from the same frame to the key frame of the grid shown until now
   */
  arrive(grid, cut, toNewer, toOlder) {
    const switches = cut || !sameShape(this.#to, grid);
    this.#fade = switches ? null
      : { from: carryGrid(this.#shown(), grid.shape, toNewer, toOlder), to: carryGrid(grid, grid.shape) };
    this.#to = grid;
    this.#faded = switches ? FADE_FRAMES : 0;
    this.#changed = true;
  }

  /**
   * Go on by one displayed frame.
   * @returns {Grid|null} the grid to draw with; null if it has not changed
   */
  step() {
    if (!this.#changed) return null;
    this.#faded = Math.min(this.#faded + 1, FADE_FRAMES);
    this.#changed = this.#faded < FADE_FRAMES;
    const shown = this.#shown();
    return this.#strength === 1 ? shown : blendGrids(identityGrid(shown.shape), shown, this.#strength);
  }

  /** @returns {Grid} the grid on show, at full strength */
  #shown() {
    if (!this.#fade || this.#faded === FADE_FRAMES) return this.#to;
    return blendGrids(this.#fade.from, this.#fade.to, this.#faded / FADE_FRAMES);
  }
}
