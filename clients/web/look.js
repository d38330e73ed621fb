/**
 * The grid on show: it fades from one key frame's answer to the next, and mixes with the untouched picture.
 * The twin of clients/look.py.
 */

import { blendGrids, identityGrid, sameSize } from './reassemble.js';

/** Long enough to hide the switch, short enough to follow the scene: a quarter of a second at 30 fps. */
const FADE_FRAMES = 8;

export class Look {
  /** @type {import('./reassemble.js').Grid} what the fade starts from */
  #from = identityGrid([1, 1, 1]);
  /** @type {import('./reassemble.js').Grid} what it ends at */
  #to = this.#from;
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
   * @param {(shown: import('./reassemble.js').Grid) => import('./reassemble.js').Grid} realign
   *   brings what was shown until now to where the new grid's key frame has it
   */
  arrive(grid, cut, realign = (shown) => shown) {
    const shown = this.#blended();
    const switches = cut || !sameSize(shown, grid);
    this.#from = switches ? grid : realign(shown);
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
    const blended = this.#blended();
    return blendGrids(identityGrid(blended.size), blended, this.#strength);
  }

  #blended() {
    return blendGrids(this.#from, this.#to, this.#faded / FADE_FRAMES);
  }
}
