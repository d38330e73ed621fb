/** A look between two styles has an id of its own. The twin of pipeline/styles/mix.py. */

import { withoutMood } from './style_mood.js';

/**
 * @typedef {object} StyleMix
 * @property {string} first the id or name of a style, with a mood or without
 * @property {string} second
 * @property {number} percent how much of the second there is, 1 to 99
 */

const MIX = /^([^.]{1,80})\.([^.]{1,80})\.([1-9][0-9]?)$/;

/**
 * @param {string} id
 * @returns {StyleMix|null} null if it is the id of one style
 */
export function parseMix(id) {
  const [, first, second, percent] = MIX.exec(id) ?? [];
  return percent && withoutMood(first) !== withoutMood(second) ? { first, second, percent: Number(percent) } : null;
}

/**
 * @param {StyleMix} mix
 * @returns {string}
 */
export function mixId({ first, second, percent }) {
  return `${first}.${second}.${percent}`;
}

/**
 * What stays the same when the share changes.
 * @param {string} id
 * @returns {string} both styles of a mix, or the style's own id
 */
export function pairOf(id) {
  const mix = parseMix(id);
  return mix ? `${mix.first}.${mix.second}` : id;
}

/**
 * @param {string} id
 * @returns {string[]} the ids of the styles that a look is made of: two for a mix, otherwise its own
 */
export function partsOf(id) {
  const mix = parseMix(id);
  return mix ? [mix.first, mix.second] : [id];
}

/**
 * @param {string} id
 * @param {(style: string) => string} change
 * @returns {string} the id of the look whose styles are changed so
 */
export function mapParts(id, change) {
  const mix = parseMix(id);
  return mix ? mixId({ ...mix, first: change(mix.first), second: change(mix.second) }) : change(id);
}
