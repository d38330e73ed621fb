/** Fills the elements of the operators' page. */

import { byId, find } from '../basics/dom.js';

/**
 * @param {string} id
 * @param {string} text
 */
export function say(id, text) {
  byId(id).textContent = text;
}

/**
 * @param {string} id
 * @returns {HTMLElement} the section that the element is in
 * @throws {TypeError} when it is in none
 */
export function section(id) {
  const found = byId(id, Element).closest('section');
  if (!found) throw new TypeError(`#${id} is in no section.`);
  return found;
}

/**
 * Fill the element `id` with one child for each of `values`.
 * @template T
 * @param {string} id
 * @param {T[]} values
 * @param {(value: T) => Node} make
 */
export function list(id, values, make) {
  byId(id).replaceChildren(...values.map((value) => make(value)));
}

/**
 * @param {string} text
 * @returns {HTMLElement}
 */
export function item(text) {
  return cell('li', text);
}

/**
 * @param {string} text
 * @returns {HTMLElement}
 */
export function strong(text) {
  return cell('strong', text);
}

/**
 * @param {string} tag
 * @param {string} text
 * @returns {HTMLElement}
 */
export function cell(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

/**
 * Label a chart.
 * @param {string} id
 * @param {string} top of its scale
 * @param {string} left what is at its left end
 * @param {string} [right]
 */
export function showAxis(id, top, left, right = 'now') {
  const plate = section(id);
  find(plate, 'h2').dataset.top = top;
  const [from, to] = find(plate, '.axis').children;
  [from.textContent, to.textContent] = [left, right];
}
