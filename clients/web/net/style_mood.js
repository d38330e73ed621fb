/** A style with more or less of its mood than usual has an id of its own. The twin of pipeline/styles/mood.py. */

/**
 * @typedef {object} StyleMood
 * @property {string} style its id or name
 * @property {number} percent how much of its mood there is: from 0, its light alone, to 100
 */

const MOOD = /^([^.~]{1,75})~(0|[1-9][0-9]?|100)$/;

/**
 * @param {string} id
 * @returns {StyleMood|null} null if it names no mood
 */
export function parseMood(id) {
  const [, style, percent] = MOOD.exec(id) ?? [];
  return percent ? { style, percent: Number(percent) } : null;
}

/**
 * @param {StyleMood} mood
 * @returns {string}
 */
export function moodId({ style, percent }) {
  return `${style}~${percent}`;
}

/**
 * @param {string} id
 * @returns {string} the id of the style itself; one that names no mood stays as it is
 */
export function withoutMood(id) {
  return parseMood(id)?.style ?? id;
}
