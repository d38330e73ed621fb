/** The looks: connects the gallery, the sliders for strength and mood, the mixes, and what is remembered of them. */

import { byId } from '../basics/dom.js';
import { Gallery } from './gallery.js';
import { MixDrag } from '../mixing/mix_drag.js';
import { MixMode } from '../mixing/mix_mode.js';
import { MixShare } from '../mixing/mix_share.js';
import { MoodSlider } from './mood_slider.js';
import { Moods } from './moods.js';
import { ScrollingRow } from './scrolling_row.js';
import { StrengthSlider } from './strength_slider.js';
import { mapParts, parseMix } from '../net/style_mix.js';
import { withoutMood } from '../net/style_mood.js';

/** The look of the first visit: of those that come along, it flatters most faces. */
const FIRST_LOOK = 'golden-hour';

/**
 * @typedef {object} LookHandlers
 * @property {(style: string, thumbnail: string) => void} onStyle the look to show, by its id, and the path of its picture
 * @property {(strength: number) => void} onStrength of the look on show, 0..1
 * @property {(look: string) => void} onChanged the look with this id is another one now, or has another strength
 * @property {(sentence: string) => void} onRemark
 */

export class Looks {
  #memory;
  #wishes;
  #handlers;
  #gallery = new Gallery(byId('gallery'), byId('tile', HTMLTemplateElement),
    (style, isChosen) => this.#onSelect(style, isChosen));
  #row = new ScrollingRow(byId('gallery'));
  #strength = new StrengthSlider(byId('strength', HTMLInputElement), byId('strength-value'), {
    onStrength: (strength) => this.#handlers.onStrength(strength),
    onKept: (strength) => this.#onStrengthKept(strength),
  });
  #moods;
  #moodSlider = new MoodSlider(byId('mood'), (percent) => this.#onMood(percent));
  #mixDrag = new MixDrag(byId('gallery'), (first, second) => this.#mix(first, second));
  #mixMode = new MixMode(byId('mix', HTMLButtonElement), byId('gallery'), {
    first: () => this.#firstToMix(),
    onMode: (isOn) => this.#handlers.onRemark(isOn ? `Choose the look to mix with “${this.#gallery.selected?.name}”.` : ''),
    onMix: (first, second) => this.#mix(first, second),
  });
  #mixShare = new MixShare(byId('mix-share'), {
    onShare: (percent) => this.#gallery.reshare(percent),
    onRemove: () => this.#gallery.removeMix(),
  });
  #parts = [this.#row, this.#strength, this.#moodSlider, this.#mixDrag, this.#mixMode, this.#mixShare];
  /** @type {{look: string, strength: number}|null} the page's address said how strong this look shall be */
  #linked = null;
  #loaded = Promise.resolve();

  /**
   * @param {import('./memory.js').Memory} memory
   * @param {import('./look_link.js').Wishes} wishes what the page's address says of looks
   * @param {LookHandlers} handlers
   */
  constructor(memory, wishes, handlers) {
    this.#memory = memory;
    this.#wishes = wishes;
    this.#handlers = handlers;
    this.#moods = new Moods(this.#gallery, memory);
  }

  /** Load the looks, and select the one that the address names, or that was chosen last, or that flatters most. */
  start() {
    this.#parts.forEach((part) => part.start());
    this.#loaded = this.#load();
  }

  /** @returns {Promise<void>} resolves when there are looks to choose from */
  get loaded() {
    return this.#loaded;
  }

  /** @returns {import('./gallery.js').Style|null} the look on show */
  get selected() {
    return this.#gallery.selected;
  }

  /** @returns {{look: string, strength: number, isOwn: boolean}|null} what a link to the look on show holds */
  get link() {
    const { selected, linkName, isPhotoSelected: isOwn } = this.#gallery;
    return selected && { look: this.#moods.idOf(selected.id, linkName), strength: this.#strength.percent, isOwn };
  }

  /** What previews of the looks need; see `PreviewHandlers`. */
  get previews() {
    return {
      looks: () => this.#gallery.looks,
      idOf: (/** @type {string} */ look) => this.#moods.idOf(look),
      strengthOf: (/** @type {string} */ look) => this.#strengthOf(look),
      canvasOf: (/** @type {string} */ look) => this.#gallery.previewOf(look),
      onGone: () => this.#gallery.dropPreviews(),
    };
  }

  /**
   * Add a photo as a look.
   * @param {File} file
   */
  async upload(file) {
    try {
      await this.#gallery.upload(file);
    } catch (error) {
      this.#handlers.onRemark(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {string} id of a photo that was deleted */
  remove(id) {
    this.#gallery.remove(id);
  }

  /** @param {string} style the server's, instead of the one that was chosen */
  refuse(style) {
    this.#handlers.onRemark('The server did not take this look, and goes on with the one before.');
    this.#gallery.select(mapParts(style, withoutMood));
  }

  /** Make sure that the server has the look on show; otherwise the first one is shown. */
  async dropLost() {
    await this.#loaded;
    const lost = await this.#gallery.dropLost();
    if (lost) this.#handlers.onRemark(`The server no longer has “${lost}”. A photo of yours can be added once more.`);
  }

  /** @param {boolean} known whether the server knows mixes */
  allowMixes(known) {
    const mix = byId('mix');
    if (mix.hidden === known) {
      mix.hidden = !known;
      this.#gallery.reveal(); // Chromium begins the row anew when the button comes
    }
    this.#mixDrag.enabled = known;
  }

  destroy() {
    [...this.#parts, this.#gallery].forEach((part) => part.destroy());
  }

  async #load() {
    const { look } = this.#wishes;
    const looks = [look && mapParts(look, withoutMood), this.#memory.look, FIRST_LOOK];
    const place = await this.#gallery.start(looks.filter((each) => each !== null), this.#memory.mixes);
    if (look && place !== 0) this.#handlers.onRemark('The look of this link is not on the server, or no longer.');
    else if (look) this.#followLink(look);
  }

  /**
   * @param {import('./gallery.js').Style} style
   * @param {boolean} isChosen whether the user did it
   */
  #onSelect(style, isChosen) {
    if (isChosen) [this.#memory.look, this.#memory.mixes] = [style.id, this.#gallery.mixes];
    else if (this.#wishes.strength !== null) this.#linked = { look: style.id, strength: this.#wishes.strength / 100 };
    this.#strength.show(this.#strengthOf(style.id));
    this.#handlers.onStrength(this.#strengthOf(style.id));
    this.#showShare(style.id);
    this.#show(style);
  }

  /** @param {import('./gallery.js').Style} style the look to show, in its mood */
  #show({ id, thumbnail }) {
    this.#moodSlider.show(id, this.#moods.of(id));
    this.#handlers.onStyle(this.#moods.idOf(id), thumbnail);
  }

  /** @param {string} link the look on show, as the page's address names it */
  #followLink(link) {
    const { selected } = this.#gallery;
    if (!selected) return;
    this.#moods.follow(link, selected.id);
    this.#show(selected);
  }

  // Strength and mood

  /**
   * @param {string} look its id
   * @returns {number} 0..1
   */
  #strengthOf(look) {
    return this.#linked?.look === look ? this.#linked.strength : this.#memory.strengthOf(look);
  }

  /** @param {number} strength 0..1, at which the user has let the slider go */
  #onStrengthKept(strength) {
    const { selected } = this.#gallery;
    if (!selected) return;
    this.#linked = null;
    this.#memory.keepStrength(selected.id, strength);
    this.#handlers.onChanged(selected.id);
  }

  /** @param {number} percent how much of the mood of the look on show is wanted */
  #onMood(percent) {
    const { selected } = this.#gallery;
    if (!selected) return;
    this.#moods.set(selected.id, percent);
    this.#show(selected);
  }

  // Mixes

  /** @returns {string|null} the id of the look on show; null if it is a mix itself */
  #firstToMix() {
    const { selected } = this.#gallery;
    if (selected && !parseMix(selected.id)) return selected.id;
    this.#handlers.onRemark('A mix cannot be mixed once more. Choose another look first.');
    return null;
  }

  /**
   * @param {string} first
   * @param {string} second
   */
  #mix(first, second) {
    this.#gallery.mix(first, second);
    const { selected } = this.#gallery;
    if (selected) this.#handlers.onRemark(`“${selected.name}”: the slider says how much of each.`);
  }

  /** @param {string} look its id */
  #showShare(look) {
    const mix = parseMix(look);
    this.#mixShare.show(mix, mix ? [this.#gallery.nameOf(mix.first), this.#gallery.nameOf(mix.second)] : ['', '']);
    this.#handlers.onChanged(look);
  }
}
