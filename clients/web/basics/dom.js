/** Finds elements of the page, and makes sure that they are of the kind that the script expects. */

/**
 * The element with this id.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [type] HTMLElement by default
 * @returns {T}
 * @throws {TypeError} if the document has no such element
 */
export function byId(id, type) {
  return checked(document.getElementById(id), `#${id}`, type);
}

/**
 * The first element below `root` that the selector matches.
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} [type] HTMLElement by default
 * @returns {T}
 * @throws {TypeError} if there is none, or one of another type
 */
export function find(root, selector, type) {
  return checked(root.querySelector(selector), selector, type);
}

/**
 * A copy of a template's element.
 * @param {HTMLTemplateElement} template with one element in it
 * @returns {HTMLElement}
 */
export function instantiate(template) {
  return checked(template.content.firstElementChild?.cloneNode(true), `#${template.id} > *`);
}

/**
 * @template {Element} [T=HTMLElement]
 * @param {Node|null|undefined} found
 * @param {string} selector
 * @param {new () => T} [type]
 * @returns {T}
 */
function checked(found, selector, type) {
  const wanted = type ?? HTMLElement;
  if (!(found instanceof wanted)) throw new TypeError(`The page has no ${wanted.name} at ${selector}.`);
  return /** @type {T} */ (found);
}
