/** Tells which style is meant where people write its name. */

/**
 * @param {string} wanted an id or a name
 * @param {string} id
 * @param {string} name
 * @returns {boolean} whether the style with this id and name is wanted
 */
export function isNamed(wanted, id, name) {
  return wanted === id || plain(wanted) === plain(name);
}

/**
 * The form in which names are compared: "golden-hour", "Golden hour" and "golden_hour" are the same.
 * @param {string} name
 * @returns {string}
 */
function plain(name) {
  return name.toLowerCase().replace(/[-_]/g, ' ');
}
