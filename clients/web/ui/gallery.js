/** The strip of looks to choose from: the server's styles, and the user's own photos. */

import { context2d } from '../basics/canvas.js';
import { find, instantiate } from './dom.js';
import { retryDelayMs } from '../net/session.js';

/**
 * The longer side of an upload, in pixels. The server shrinks styles to this anyway; doing it here saves bandwidth, and
 * this device may read formats that the server cannot.
 */
const UPLOAD_SIDE = 1024;
/** What every server reads, colours and orientation included. */
const SENT_AS_THEY_ARE = new Set(['image/jpeg', 'image/png', 'image/webp']);
/** The localStorage key of the photos uploaded from here: the server lists nobody's photos. */
const OWN_STYLES = 'mvstylizer.styles';
const MAX_OWN = 12;
/** How long a request may take; a photo travels for a while on a slow uplink. */
const [HTTP_MS, UPLOAD_MS] = [10_000, 60_000];

/** @typedef {{id: string, name: string, thumbnail: string}} Style thumbnail: a path on the server */

export class Gallery {
  #root;
  #tile;
  #onSelect;
  #running = false;
  /** How often something was selected: what was asked for earlier does not replace it. */
  #selections = 0;

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
   * Add a photo as a style, and select it, unless another one is selected while it travels.
   * @param {File} file
   * @throws {Error} with the reason, as a sentence
   */
  async upload(file) {
    const selections = this.#selections;
    const name = file.name.replace(/\.[^.]*$/, '') || 'My photo';
    const body = await shrink(file);
    const path = `/styles?${new URLSearchParams({ name })}`;
    const signal = AbortSignal.timeout(UPLOAD_MS);
    const response = await fetch(path, { method: 'POST', body, signal }).catch(() => null);
    const answer = await response?.json().catch(() => null);
    if (!response?.ok) throw new Error(answer?.error ?? 'The photo did not reach the server.');
    const tile = this.#find(answer.id) ?? this.#add(answer);
    if (selections === this.#selections) this.#select(answer, tile);
    keepOwnStyle(answer);
  }

  /**
   * Select a style that is in the strip; nothing happens for another one.
   * @param {string} id
   */
  select(id) {
    const tile = this.#find(id);
    if (tile) this.#select(styleOf(tile), tile);
  }

  /**
   * Take the selected style out of the strip if the server has it no more, and select the first one instead.
   * @returns {Promise<string|null>} the name of the style that is gone; null where all is as it was
   */
  async dropLost() {
    const { selected } = this;
    if (!selected) return null;
    const answer = await ask(selected.thumbnail, 'reload');
    if (answer?.status !== 404 || selected !== this.selected) return null;
    this.#find(selected.id)?.remove();
    const first = this.#root.querySelector('input');
    if (first) this.select(first.value);
    return selected.name;
  }

  destroy() {
    this.#running = false;
  }

  /**
   * @param {Style[]} known
   * @param {string|null} preferred
   */
  #show(known, preferred) {
    this.#root.dataset.state = 'ready';
    const styles = known.filter(({ id }) => !this.#find(id)); // all but a photo uploaded meanwhile
    const tiles = styles.map((style) => this.#add(style));
    const index = styles.findIndex(({ id, name }) => id === preferred || plain(name) === plain(preferred ?? ''));
    const chosen = Math.max(0, index);
    if (styles.length && !this.#selections) this.#select(styles[chosen], tiles[chosen]);
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
    this.#selections += 1;
    this.selected = style;
    find(tile, 'input', HTMLInputElement).checked = true;
    tile.scrollIntoView({ block: 'nearest', inline: 'center', behavior: 'smooth' });
    this.#onSelect(style);
  }
}

/** @returns {Promise<Style[]|null>} null when the server does not answer, or not yet */
async function fetchStyles() {
  const response = await ask('/styles');
  return response?.ok ? response.json().catch(() => null) : null;
}

/**
 * @param {string} path
 * @param {RequestCache} [cache]
 * @returns {Promise<Response|null>} null when the server does not answer in time
 */
function ask(path, cache) {
  return fetch(path, { cache, signal: AbortSignal.timeout(HTTP_MS) }).catch(() => null);
}

/**
 * @param {HTMLElement} tile
 * @returns {Style}
 */
function styleOf(tile) {
  return {
    id: find(tile, 'input', HTMLInputElement).value,
    name: find(tile, 'span').textContent,
    thumbnail: find(tile, 'img', HTMLImageElement).src,
  };
}

/** @returns {Promise<Style[]>} photos uploaded from here before that the server still has */
async function fetchOwnStyles() {
  const own = ownStyles();
  const answers = await Promise.all(own.map(({ thumbnail }) => ask(thumbnail)));
  return own.filter((_, index) => answers[index]?.ok);
}

/** @returns {Style[]} photos uploaded from here before, the newest first */
function ownStyles() {
  try {
    const own = JSON.parse(localStorage.getItem(OWN_STYLES) ?? '[]');
    return own.filter(isStyle);
  } catch {
    return []; // this browser stores nothing, or something else
  }
}

/**
 * @param {any} value
 * @returns {value is Style}
 */
function isStyle(value) {
  return ['id', 'name', 'thumbnail'].every((field) => typeof value?.[field] === 'string');
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
 * A JPEG of a photo that is large, or in a format that the server may not know; transparency lies over white, as there.
 * @param {File} file
 * @returns {Promise<Blob>} the file itself when it is neither, or when this browser cannot read it
 */
async function shrink(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, UPLOAD_SIDE / Math.max(bitmap.width, bitmap.height));
    if (scale === 1 && SENT_AS_THEY_ARE.has(file.type)) return file;
    const canvas = document.createElement('canvas');
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    Object.assign(canvas, { width, height });
    const context = context2d(canvas);
    context.fillStyle = 'white';
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
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
