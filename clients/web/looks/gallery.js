/** The strip of looks to choose from: the server's styles, and the user's own photos. */

import { find, instantiate } from '../basics/dom.js';
import { fetchLinked, fetchOwnStyles, fetchStyles, lostOf, restored, uploaded } from './server_styles.js';
import { isNamed } from '../net/style_name.js';
import { mixId, pairOf, parseMix, partsOf } from '../net/style_mix.js';
import { retryDelayMs } from '../net/session.js';

/** How much of its mood a photo has, in percent, unless somebody asks for less: as in pipeline/styles/catalog.py. */
const OWN_MOOD = 100;

/** @typedef {import('./server_styles.js').Style} Style */

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
    const style = await uploaded(file);
    const tile = this.#find(style.id) ?? this.#add(style);
    if (selections === this.#selections) this.#select(style, tile, true);
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
    const lost = await lostOf(parts);
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
   * Scroll to the chosen look.
   * @param {ScrollBehavior} [behavior]
   */
  reveal(behavior = 'instant') {
    this.#root.querySelector(':checked')?.closest('.tile')?.scrollIntoView({ block: 'nearest', inline: 'center', behavior });
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
    this.reveal('smooth');
    this.#onSelect(style, isChosen);
  }
}

/**
 * @param {HTMLElement} tile
 * @returns {Style}
 */
function styleOf(tile) {
  const [thumbnail, second] = Array.from(tile.querySelectorAll('img'), ({ src }) => src);
  return { id: find(tile, 'input', HTMLInputElement).value, name: find(tile, 'span').textContent, thumbnail, second };
}
