/** The strip of looks to choose from: the server's styles, and the user's own photos. */

import { context2d } from '../basics/canvas.js';
import { isHeic } from '../capture/photo_file.js';
import { find, instantiate } from './dom.js';
import { forgetPhoto, keepPhoto, keptPhoto, listedPhotos } from './own_photos.js';
import { mixId, pairOf, parseMix, partsOf } from '../net/style_mix.js';
import { retryDelayMs } from '../net/session.js';

/**
 * The longer side of an upload, in pixels. The server shrinks styles to this anyway; doing it here saves bandwidth, and
 * this device may read formats that the server cannot.
 */
const UPLOAD_SIDE = 1024;
/** Types of photos that every server reads, with their colours and orientation. */
const SENT_AS_THEY_ARE = new Set(['image/jpeg', 'image/png', 'image/webp']);
/** How long a request may take; a photo travels for a while on a slow uplink. */
const [HTTP_MS, UPLOAD_MS] = [10_000, 60_000];

/** How much of its mood a photo has, in percent, unless somebody asks for less: as in pipeline/styles/catalog.py. */
const OWN_MOOD = 100;
/** An id, as links to uploaded photos hold it. */
const ID = /^[0-9a-f]{16}$/;

/**
 * A look. A mix has a second picture, and the name of both.
 * @typedef {{id: string, name: string, thumbnail: string, second?: string, key?: string, mood?: number}} Style pictures are
 *   paths on the server; the key deletes a photo of one's own there; the mood, in percent, is the one that it usually has
 */

export class Gallery {
  #root;
  #tile;
  #onSelect;
  #running = false;
  /** @type {Map<string, number|undefined>} the looks that everybody has, by id, with their usual moods */
  #common = new Map();
  /** How often a style was selected, so that earlier requests do not replace a later selection. */
  #selections = 0;

  /** @type {Style|null} */
  selected = null;

  /**
   * @param {HTMLElement} root holds the tiles; its data-state is loading, waiting or ready
   * @param {HTMLTemplateElement} tile
   * @param {(style: Style, isChosen: boolean) => void} onSelect `isChosen` says whether the user did it
   */
  constructor(root, tile, onSelect) {
    this.#root = root;
    this.#tile = tile;
    this.#onSelect = onSelect;
  }

  /**
   * Load the styles, trying again until the server answers.
   * @param {string[]} preferred the ids or names of styles to select: the first that is there, or the first of all
   * @param {string[]} [mixes] ids of mixes to show, too
   * @returns {Promise<number>} the place of the first one of the preferred styles that is there; -1 if none is
   */
  async start(preferred, mixes = []) {
    this.#running = true;
    this.#root.dataset.state = 'loading';
    for (let attempt = 0; this.#running; attempt++) {
      const styles = await fetchStyles();
      if (styles) {
        const { there, lost } = await fetchOwnStyles();
        const linked = await fetchLinked(preferred, [...styles, ...there, ...lost]);
        const place = this.#show(styles, [...linked, ...there], preferred, mixes);
        const isBack = await this.#restoreAll(lost, preferred);
        return isBack ? 0 : place;
      }
      this.#root.dataset.state = 'waiting';
      await new Promise((resolve) => { setTimeout(resolve, retryDelayMs(attempt, Math.random())); });
    }
    return -1;
  }

  /** @returns {boolean} whether the selected style is a photo that somebody has uploaded, or a mix with one */
  get isPhotoSelected() {
    return !partsOf(this.selected?.id ?? '').every((each) => this.#common.has(each));
  }

  /** @returns {boolean} whether the server has said how much mood its looks usually have */
  get knowsMoods() {
    return [...this.#common.values()].some((mood) => mood !== undefined);
  }

  /**
   * @param {string} id of a look that is no mix
   * @returns {number} in percent
   */
  usualMoodOf(id) {
    return this.#common.get(id) ?? OWN_MOOD;
  }

  /** @returns {string} the selected style as links name it: "golden-hour", or its id; '' if there is none */
  get linkName() {
    const { id = '', name = '' } = this.selected ?? {};
    return this.#common.has(id) ? name.toLowerCase().replaceAll(' ', '-') : id;
  }

  /**
   * Add a photo as a style. It is selected, unless another style is selected during the upload.
   * @param {File} file
   * @throws {Error} with the reason, as a sentence
   */
  async upload(file) {
    const selections = this.#selections;
    const name = file.name.replace(/\.[^.]*$/, '') || 'My photo';
    const body = await shrink(file);
    if (await isHeic(body)) throw new Error(`“${name}” is a HEIC picture, which this browser cannot read. Save it as JPEG.`);
    const style = await send(name, body);
    const tile = this.#find(style.id) ?? this.#add(style);
    if (selections === this.#selections) this.#select(style, tile, true);
    await keepPhoto(style, body);
  }

  /**
   * Select a style if it is in the strip.
   * @param {string} id
   */
  select(id) {
    const tile = this.#find(id);
    if (tile) this.#select(styleOf(tile), tile);
  }

  /**
   * Remove the selected style from the strip if the server no longer has it, and select the first one instead.
   * @returns {Promise<string|null>} the name of the style that is gone; null if the server still has it
   */
  async dropLost() {
    const { selected } = this;
    if (!selected) return null;
    const parts = this.#partsOf(selected);
    const answers = await Promise.all(parts.map(({ thumbnail }) => ask(thumbnail, 'reload')));
    const lost = parts.filter((_, index) => answers[index]?.status === 404);
    const back = await Promise.all(lost.map(restored));
    if (back.every((style, index) => style?.id === lost[index].id) || selected !== this.selected) return null;
    this.#find(selected.id)?.remove();
    const first = this.#root.querySelector('input');
    if (first) this.select(first.value);
    return selected.name;
  }

  /**
   * Mix two looks half and half, and select the mix; one of the same looks that is there already is selected instead.
   * @param {string} first the id of a look in the strip
   * @param {string} second
   */
  mix(first, second) {
    const pairs = [`${first}.${second}`, `${second}.${first}`];
    const known = this.mixes.find((id) => pairs.includes(pairOf(id)));
    const style = known ? null : this.#mixed({ first, second, percent: 50 });
    const tile = known ? this.#find(known) : style && this.#add(style);
    if (tile) this.#select(styleOf(tile), tile, true);
  }

  /**
   * Change how much of its second look the selected mix has.
   * @param {number} percent
   */
  reshare(percent) {
    const mix = this.selected && parseMix(this.selected.id);
    const tile = this.selected && this.#find(this.selected.id);
    if (!mix || !tile) return;
    find(tile, 'input', HTMLInputElement).value = mixId({ ...mix, percent });
    this.#select(styleOf(tile), tile, true);
  }

  /** Remove the selected mix, and select its first look. */
  removeMix() {
    const mix = this.selected && parseMix(this.selected.id);
    if (!mix || !this.selected) return;
    this.#find(this.selected.id)?.remove();
    const tile = this.#find(mix.first);
    if (tile) this.#select(styleOf(tile), tile, true);
  }

  /**
   * Remove a look that is gone, and its mixes; if one of them was selected, the first look is selected instead.
   * @param {string} id
   */
  remove(id) {
    const gone = this.looks.filter((look) => look === id || pairOf(look)?.split('.').includes(id));
    for (const look of gone) this.#find(look)?.remove();
    const first = this.#root.querySelector('input');
    if (first && this.selected && gone.includes(this.selected.id)) this.select(first.value);
  }

  /** @returns {string[]} the ids of the mixes in the strip */
  get mixes() {
    return this.looks.filter(parseMix);
  }

  /**
   * @param {string} id of a look in the strip
   * @returns {string} its name; '' if it is not there
   */
  nameOf(id) {
    const tile = this.#find(id);
    return tile ? styleOf(tile).name : '';
  }

  /** @returns {string[]} the ids of the looks in the strip */
  get looks() {
    return Array.from(this.#root.querySelectorAll('input'), ({ value }) => value);
  }

  /**
   * The canvas of a look's tile, which is shown instead of the look's own picture from now on.
   * @param {string} id
   * @returns {HTMLCanvasElement|null} null if the look is not in the strip
   */
  previewOf(id) {
    const tile = this.#find(id);
    if (!tile) return null;
    const canvas = tile.querySelector('canvas') ?? document.createElement('canvas');
    if (!canvas.parentElement) find(tile, 'span').before(canvas);
    return canvas;
  }

  /** Show the looks' own pictures again. */
  dropPreviews() {
    for (const canvas of this.#root.querySelectorAll('canvas')) canvas.remove();
  }

  destroy() {
    this.#running = false;
  }

  /**
   * Send photos again that the server has forgotten, one after the other.
   * @param {Style[]} lost
   * @param {string[]} preferred as for `start`
   * @returns {Promise<boolean>} whether the first of the preferred styles came back so
   */
  async #restoreAll(lost, preferred) {
    let isThere = false;
    for (const style of lost) {
      const back = await restored(style);
      if (!back || !this.#running) continue;
      const tile = this.#find(back.id) ?? this.#add(back);
      isThere ||= preferred[0] === style.id;
      if (preferred[0] === style.id && this.#selections === 1) this.#select(back, tile);
    }
    return isThere;
  }

  /**
   * @param {Style[]} common
   * @param {Style[]} photos
   * @param {string[]} preferred
   * @param {string[]} mixes
   * @returns {number} the place of the first one of the preferred styles that is there; -1 if none is
   */
  #show(common, photos, preferred, mixes) {
    this.#root.dataset.state = 'ready';
    this.#common = new Map(common.map(({ id, mood }) => [id, mood]));
    const styles = [...common, ...photos].filter(({ id }) => !this.#find(id)); // a photo may have come meanwhile
    const tiles = styles.map((style) => this.#add(style));
    for (const mix of [...mixes, ...preferred].map((id) => this.#mixed(parseMix(id)))) {
      if (!mix || styles.some(({ id }) => id === mix.id)) continue;
      styles.push(mix);
      tiles.push(this.#add(mix));
    }
    const wanted = preferred.map((look) => this.#mixed(parseMix(look))?.id ?? look);
    const found = wanted.map((look) => styles.findIndex(({ id, name }) => isNamed(look, id, name)));
    const chosen = found.find((index) => index >= 0) ?? 0;
    if (styles.length && !this.#selections) this.#select(styles[chosen], tiles[chosen]);
    return found.findIndex((index) => index >= 0);
  }

  /**
   * @param {Style} style
   * @returns {HTMLElement} its tile
   */
  #add(style) {
    const tile = instantiate(this.#tile);
    const radio = find(tile, 'input', HTMLInputElement);
    radio.value = style.id;
    radio.addEventListener('change', () => this.#select(styleOf(tile), tile, true));
    const picture = find(tile, 'img', HTMLImageElement);
    picture.src = style.thumbnail;
    if (style.second !== undefined) {
      tile.classList.add('mix');
      picture.after(Object.assign(document.createElement('img'), { src: style.second, alt: '', draggable: false }));
    }
    find(tile, 'span').textContent = style.name;
    this.#root.insertBefore(tile, this.#root.querySelector('button'));
    return tile;
  }

  /**
   * @param {Style} style
   * @returns {Style[]} the looks that a mix is made of, or the look itself
   */
  #partsOf(style) {
    const mix = parseMix(style.id);
    const tiles = mix ? [mix.first, mix.second].map((id) => this.#find(id)) : [];
    const parts = tiles.map((tile) => tile && styleOf(tile)).filter((part) => part !== null);
    return mix ? parts : [style];
  }

  /**
   * @param {import('../net/style_mix.js').StyleMix|null} mix of looks by their ids or names
   * @returns {Style|null} null if one of them is not in the strip
   */
  #mixed(mix) {
    const tiles = mix && [mix.first, mix.second].map((wanted) => {
      const id = this.looks.find((look) => isNamed(wanted, look, this.nameOf(look)));
      return id === undefined ? null : this.#find(id);
    });
    const [first, second] = tiles?.map((tile) => tile && styleOf(tile)) ?? [];
    if (!mix || !first || !second) return null;
    const id = mixId({ first: first.id, second: second.id, percent: mix.percent });
    return { id, name: `${first.name} + ${second.name}`, thumbnail: first.thumbnail, second: second.thumbnail };
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
   * @param {boolean} [isChosen] whether the user did it
   */
  #select(style, tile, isChosen = false) {
    this.#selections += 1;
    this.selected = style;
    find(tile, 'input', HTMLInputElement).checked = true;
    tile.scrollIntoView({ block: 'nearest', inline: 'center', behavior: 'smooth' });
    this.#onSelect(style, isChosen);
  }
}

/** @returns {Promise<Style[]|null>} null if the server does not answer */
async function fetchStyles() {
  const response = await ask('/styles');
  return response?.ok ? response.json().catch(() => null) : null;
}

/**
 * @param {string} path
 * @param {RequestCache} [cache]
 * @returns {Promise<Response|null>} null if the server does not answer in time
 */
function ask(path, cache) {
  return fetch(path, { cache, signal: AbortSignal.timeout(HTTP_MS) }).catch(() => null);
}

/**
 * @param {HTMLElement} tile
 * @returns {Style}
 */
function styleOf(tile) {
  const [thumbnail, second] = Array.from(tile.querySelectorAll('img'), ({ src }) => src);
  return { id: find(tile, 'input', HTMLInputElement).value, name: find(tile, 'span').textContent, thumbnail, second };
}

/**
 * @param {string[]} preferred the first may be the id of a photo that somebody else has uploaded, from a link
 * @param {Style[]} known the styles that this browser knows
 * @returns {Promise<Style[]>} this photo, unless it is known or the server does not have it
 */
async function fetchLinked([linked = ''], known) {
  if (!ID.test(linked) || known.some(({ id }) => id === linked)) return [];
  const thumbnail = `/styles/${linked}.jpg`;
  return (await ask(thumbnail))?.ok ? [{ id: linked, name: 'From a link', thumbnail }] : [];
}

/** @returns {Promise<{there: Style[], lost: Style[]}>} the photos added earlier that the server still has, and the others */
async function fetchOwnStyles() {
  const own = listedPhotos();
  const answers = await Promise.all(own.map(({ thumbnail }) => ask(thumbnail)));
  return {
    there: own.filter((_, index) => answers[index]?.ok),
    lost: own.filter((_, index) => answers[index]?.status === 404),
  };
}

/**
 * Send a photo again that the server has forgotten.
 * @param {Style} style the photo's
 * @returns {Promise<Style|null>} its style from now on; null if it is not kept here, or was not taken
 */
async function restored({ id, name }) {
  const photo = await keptPhoto(id);
  const style = photo && await send(name, photo).catch(() => null);
  if (!style) return null;
  if (style.id !== id) await forgetPhoto(id);
  await keepPhoto(style, photo);
  return style;
}

/**
 * @param {string} name
 * @param {Blob} photo
 * @returns {Promise<Style>} what the server made of the photo
 * @throws {Error} with the reason, as a sentence
 */
async function send(name, photo) {
  const path = `/styles?${new URLSearchParams({ name })}`;
  const signal = AbortSignal.timeout(UPLOAD_MS);
  const response = await fetch(path, { method: 'POST', body: photo, signal }).catch(() => null);
  const answer = await response?.json().catch(() => null);
  if (!response?.ok) throw new Error(answer?.error ?? 'The photo did not reach the server.');
  return answer;
}

/**
 * Convert a photo to JPEG if it is large, or of a format that the server may not know. Transparent parts become white,
 * as on the server.
 * @param {File} file
 * @returns {Promise<Blob>} the file itself if it need not be converted, or if this browser cannot read it
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
 * @param {string} wanted an id or a name
 * @param {string} id
 * @param {string} name
 * @returns {boolean}
 */
function isNamed(wanted, id, name) {
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
