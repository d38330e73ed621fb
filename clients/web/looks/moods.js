/** How much of its mood each look has, and the ids by which the server is asked for looks in these moods. */

import { mapParts, parseMix, partsOf } from '../net/style_mix.js';
import { moodId, parseMood } from '../net/style_mood.js';

export class Moods {
  #gallery;
  #memory;
  /** @type {Map<string, number>} what the page's address asked for, in percent, until the user changes it */
  #linked = new Map();

  /**
   * @param {import('./gallery.js').Gallery} gallery knows the usual moods
   * @param {import('./memory.js').Memory} memory knows the user's
   */
  constructor(gallery, memory) {
    this.#gallery = gallery;
    this.#memory = memory;
  }

  /**
   * @param {string} look its id
   * @returns {number|null} in percent; null for a mix, whose looks have theirs, and if the server knows no moods
   */
  of(look) {
    return this.#gallery.knowsMoods && !parseMix(look) ? this.#percent(look) : null;
  }

  /**
   * @param {string} look its id
   * @param {number} percent the user's wish
   */
  set(look, percent) {
    this.#linked.delete(look);
    this.#memory.keepMood(look, percent);
  }

  /**
   * Take the moods that the page's address names.
   * @param {string} link a look as the address names it
   * @param {string} look the id that it was found to have
   */
  follow(link, look) {
    const ids = partsOf(look);
    partsOf(link).map(parseMood).forEach((mood, index) => mood && ids[index] && this.#linked.set(ids[index], mood.percent));
  }

  /**
   * @param {string} look its id
   * @param {string} [name] what stands for the id of a look that is no mix
   * @returns {string} the id of the look in its mood; the usual mood is not named
   */
  idOf(look, name = look) {
    if (!this.#gallery.knowsMoods) return name;
    return mapParts(look, (part) => {
      const [style, percent] = [part === look ? name : part, this.#percent(part)];
      return percent === this.#gallery.usualMoodOf(part) ? style : moodId({ style, percent });
    });
  }

  /**
   * @param {string} style its id
   * @returns {number}
   */
  #percent(style) {
    return this.#linked.get(style) ?? this.#memory.moodOf(style) ?? this.#gallery.usualMoodOf(style);
  }
}
