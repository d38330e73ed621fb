/** The strip of looks to choose from: the server's styles, and the user's own photos. */

import { context2d, find, instantiate } from './dom.js';
import { retryDelayMs } from '../net/session.js';

/**
 * The longer side of an upload, in pixels. The server shrinks styles to this anyway; doing it here saves bandwidth, and
 * this device may read formats that the server cannot.
 */
const UPLOAD_SIDE = 1024;
/** The localStorage key of the photos uploaded from here: the server lists nobody's photos. */
const OWN_STYLES = 'mvstylizer.styles';
const MAX_OWN = 12;

/** @typedef {{id: string, name: string, thumbnail: string}} Style thumbnail: a path on the server */

export class Gallery {
  #root;
  #tile;
  #onSelect;
  #running = false;

  /** @type {Style|null} */
  selected = null;

  /**
   * @param {HTMLElement} root holds the tiles; its data-state is loading, waiting or ready
   * @param {HTMLTemplateElement} tile
   * @param {(style: Style) => void} onSelect
   */
  constructor(root, tile, onSelect) {
    this.#root = root;
    this.#tile = tile;
    this.#onSelect = onSelect;
  }

  /**
   * Load the styles, trying again until the server answers.
   * @param {string|null} preferred id or name of the style to select; without it, the first one
   */
  async start(preferred) {
    this.#running = true;
    this.#root.dataset.state = 'loading';
    for (let attempt = 0; this.#running; attempt++) {
      const styles = await fetchStyles();
      if (styles) return this.#show([...styles, ...await fetchOwnStyles()], preferred);
      this.#root.dataset.state = 'waiting';
      await new Promise((resolve) => { setTimeout(resolve, retryDelayMs(attempt, Math.random())); });
    }
  }

  /**
   * Add a photo as a style, and select it.
   * @param {File} file
   * @throws {Error} with the reason, as a sentence
   */
  async upload(file) {
    const name = file.name.replace(/\.[^.]*$/, '') || 'My photo';
    const body = await shrink(file);
    const path = `/styles?${new URLSearchParams({ name })}`;
    const response = await fetch(path, { method: 'POST', body }).catch(() => null);
    const answer = await response?.json().catch(() => null);
    if (!response?.ok) throw new Error(answer?.error ?? 'The photo did not reach the server.');
    this.#select(answer, this.#find(answer.id) ?? this.#add(answer));
    keepOwnStyle(answer);
  }

  destroy() {
    this.#running = false;
  }

  /**
   * @param {Style[]} styles
   * @param {string|null} preferred
   */
  #show(styles, preferred) {
    this.#root.dataset.state = 'ready';
    const tiles = styles.map((style) => this.#add(style));
    const index = styles.findIndex(({ id, name }) => id === preferred || plain(name) === plain(preferred ?? ''));
    const chosen = Math.max(0, index);
    if (styles.length) this.#select(styles[chosen], tiles[chosen]);
  }

  /**
   * @param {Style} style
   * @returns {HTMLElement} its tile
   */
  #add(style) {
    const tile = instantiate(this.#tile);
    const radio = find(tile, 'input', HTMLInputElement);
    radio.value = style.id;
    radio.addEventListener('change', () => this.#select(style, tile));
    find(tile, 'img', HTMLImageElement).src = style.thumbnail;
    find(tile, 'span').textContent = style.name;
    this.#root.append(tile);
    return tile;
  }

  /**
   * @param {string} id of a style
   * @returns {HTMLElement|null} its tile
   */
  #find(id) {
    return this.#root.querySelector(`input[value="${CSS.escape(id)}"]`)?.parentElement ?? null;
  }

  /**
   * @param {Style} style
   * @param {HTMLElement} tile the style's
   */
  #select(style, tile) {
    this.selected = style;
    find(tile, 'input', HTMLInputElement).checked = true;
    tile.scrollIntoView({ block: 'nearest', inline: 'center', behavior: 'smooth' });
    this.#onSelect(style);
  }
}

/** @returns {Promise<Style[]|null>} null when the server does not answer, or not yet */
async function fetchStyles() {
  try {
    const response = await fetch('/styles');
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** @returns {Promise<Style[]>} photos uploaded from here before that the server still has */
async function fetchOwnStyles() {
  const own = ownStyles();
  const answers = await Promise.all(own.map(({ thumbnail }) => fetch(thumbnail).catch(() => null)));
  return own.filter((_, index) => answers[index]?.ok);
}

/** @returns {Style[]} photos uploaded from here before, the newest first */
function ownStyles() {
  try {
    return JSON.parse(localStorage.getItem(OWN_STYLES) ?? '[]');
  } catch {
    return []; // this browser stores nothing
  }
}

/** @param {Style} style */
function keepOwnStyle(style) {
  const own = [style, ...ownStyles().filter(({ id }) => id !== style.id)].slice(0, MAX_OWN);
  try {
    localStorage.setItem(OWN_STYLES, JSON.stringify(own));
  } catch {
    // this browser stores nothing: the style stays in the strip until the page is left
  }
}

/**
 * A smaller JPEG of a large photo.
 * @param {File} file
 * @returns {Promise<Blob>} the file itself when it is small, or when this browser cannot read it
 */
async function shrink(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = UPLOAD_SIDE / Math.max(bitmap.width, bitmap.height);
    if (scale >= 1) return file;
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
    context2d(canvas).drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => { canvas.toBlob((blob) => resolve(blob ?? file), 'image/jpeg', 0.92); });
  } catch {
    return file;
  }
}

/**
 * A name as it is compared: "golden-hour", "Golden hour" and "golden_hour" are the same.
 * @param {string} name
 * @returns {string}
 */
function plain(name) {
  return name.toLowerCase().replace(/[-_]/g, ' ');
}
