/** The strip of looks to choose from: the server's styles, and photos of one's own. */

import { retryDelayMs } from './session.js';

/** The server shrinks styles to this anyway; doing it here spares the upload, and reads what only this device can. */
const UPLOAD_SIDE = 1024;
/** Where this browser keeps what it uploaded: the server lists nobody's photos. */
const OWN_STYLES = 'mvstylizer.styles';
const MAX_OWN = 12;

/** @typedef {{id: string, name: string, thumbnail: string}} Style */

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
   * Load the styles, however long the server takes to be there.
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
   * @throws {Error} with the server's sentence
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

  #show(styles, preferred) {
    this.#root.dataset.state = 'ready';
    const tiles = styles.map((style) => this.#add(style));
    const index = styles.findIndex(({ id, name }) => id === preferred || plain(name) === plain(preferred ?? ''));
    const chosen = Math.max(0, index);
    if (styles.length) this.#select(styles[chosen], tiles[chosen]);
  }

  #add(style) {
    const tile = this.#tile.content.firstElementChild.cloneNode(true);
    const radio = tile.querySelector('input');
    radio.value = style.id;
    radio.addEventListener('change', () => this.#select(style, tile));
    tile.querySelector('img').src = style.thumbnail;
    tile.querySelector('span').textContent = style.name;
    this.#root.append(tile);
    return tile;
  }

  #find(id) {
    return [...this.#root.querySelectorAll('input[type=radio]')].find(({ value }) => value === id)?.parentElement;
  }

  #select(style, tile) {
    this.selected = style;
    tile.querySelector('input').checked = true;
    tile.scrollIntoView({ block: 'nearest', inline: 'center', behavior: 'smooth' });
    this.#onSelect(style);
  }
}

async function fetchStyles() {
  try {
    const response = await fetch('/styles');
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** Photos uploaded from here before, as far as the server still has them. */
async function fetchOwnStyles() {
  const own = ownStyles();
  const answers = await Promise.all(own.map(({ thumbnail }) => fetch(thumbnail).catch(() => null)));
  return own.filter((_, index) => answers[index]?.ok);
}

function ownStyles() {
  try {
    return JSON.parse(localStorage.getItem(OWN_STYLES)) ?? [];
  } catch {
    return []; // a browser that keeps nothing
  }
}

function keepOwnStyle(style) {
  const own = [style, ...ownStyles().filter(({ id }) => id !== style.id)].slice(0, MAX_OWN);
  try {
    localStorage.setItem(OWN_STYLES, JSON.stringify(own));
  } catch {
    // then it is there until the page is left
  }
}

/** A smaller JPEG of a large photo; the file itself when it is small, or when only the server can say what it is. */
async function shrink(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = UPLOAD_SIDE / Math.max(bitmap.width, bitmap.height);
    if (scale >= 1) return file;
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
    canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => { canvas.toBlob((blob) => resolve(blob ?? file), 'image/jpeg', 0.92); });
  } catch {
    return file;
  }
}

/** "golden-hour", "Golden hour" and "golden_hour" are one name. */
function plain(name) {
  return name.toLowerCase().replace(/[-_]/g, ' ');
}
