/** Chooses looks by their place in the gallery, as keys and swipes do. */

/**
 * Choose the look at a place.
 * @param {HTMLElement} gallery holds radio buttons
 * @param {number} place from 0 on
 * @returns {string|null} the look's name; null if there is none at this place
 */
export function chooseLook(gallery, place) {
  const look = looksOf(gallery)[place];
  if (!look) return null;
  look.click();
  return look.labels?.[0]?.textContent.trim() ?? '';
}

/**
 * Choose the look next to the chosen one; the first one follows the last one.
 * @param {HTMLElement} gallery holds radio buttons
 * @param {-1|1} step
 * @returns {string|null} the look's name; null if there are no looks
 */
export function stepLook(gallery, step) {
  const looks = looksOf(gallery);
  const chosen = looks.findIndex((look) => look.checked);
  return chooseLook(gallery, (chosen + step + looks.length) % looks.length);
}

/**
 * @param {HTMLElement} gallery
 * @returns {HTMLInputElement[]}
 */
function looksOf(gallery) {
  return [...gallery.querySelectorAll('input')].filter(({ type }) => type === 'radio');
}
