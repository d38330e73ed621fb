/**
 * The grid on show: it fades from one key frame's answer to the next, and mixes with the untouched picture.
 * The twin of clients/look.py.
 */

import { blendGrids, carryGrid, identityGrid, sameSize } from './reassemble.js';

/** Long enough to hide the switch, short enough to follow the scene: a quarter of a second at 30 fps. */
const FADE_FRAMES = 8;

export class Look {
  /** @type {import('./reassemble.js').Grid} the newest answer */
  #to = identityGrid([1, 1, 1]);
  /** @type {{from: import('./reassemble.js').Grid, to: import('./reassemble.js').Grid}} finer, while it fades */
  #fade = null;
  #faded = FADE_FRAMES;
  #strength = 1;
  #changed = true;

  /** How much of the style is mixed in: 0 is the untouched picture, 1 the full style. */
  set strength(strength) {
    this.#strength = strength;
    this.#changed = true;
  }

  /**
   * Take a new grid; after a cut, or in another size, it switches at once: the old one is another scene's.
   * @param {import('./reassemble.js').Grid} grid
   * @param {boolean} cut
   * @param {import('./reassemble.js').Moves} [toNewer] from the frame on show to the new grid's key frame
   * @param {import('./reassemble.js').Moves} [toOlder] from the same frame to the key frame of the grid shown until now
   */
  arrive(grid, cut, toNewer, toOlder) {
    const switches = cut || !sameSize(this.#to, grid);
    this.#fade = switches ? null
      : { from: carryGrid(this.#shown(), grid.size, toNewer, toOlder), to: carryGrid(grid, grid.size) };
    this.#to = grid;
    this.#faded = switches ? FADE_FRAMES : 0;
    this.#changed = true;
  }

  /**
   * Go on by one displayed frame.
   * @returns {import('./reassemble.js').Grid|null} the grid to draw with, or null when it is still the last one
   */
  step() {
    if (!this.#changed) return null;
    this.#faded = Math.min(this.#faded + 1, FADE_FRAMES);
    this.#changed = this.#faded < FADE_FRAMES;
    const shown = this.#shown();
    return this.#strength === 1 ? shown : blendGrids(identityGrid(shown.size), shown, this.#strength);
  }

  #shown() {
    if (this.#faded === FADE_FRAMES) return this.#to;
    return blendGrids(this.#fade.from, this.#fade.to, this.#faded / FADE_FRAMES);
  }
}
