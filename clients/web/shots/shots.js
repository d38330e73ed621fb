/** What the user has taken: the newest as a small picture that opens it, and all of it in a viewer that saves, shares and deletes. */

import { context2d } from '../basics/canvas.js';
import { surplus } from './collection.js';
import { letterbox } from './letterbox.js';
import { download, fileOf, isShareable, share } from './saving.js';
import { find } from '../basics/dom.js';
import { clock } from './record_button.js';

/** The longer side of a video's thumbnail, in pixels: twice what it is on the page. */
const THUMBNAIL_SIDE = 128;
const FLASH_MS = 320;
/** How long the button that deletes something unsaved waits for the second press. */
const SURE_MS = 4000;

/**
 * @typedef {object} Shot
 * @property {File} file
 * @property {boolean} isVideo
 * @property {string} about its size and length, in words
 * @property {string} url of the file itself
 * @property {string} thumbnail a URL
 * @property {boolean} isSaved whether it was downloaded or shared
 */

/**
 * @typedef {object} ShotElements
 * @property {HTMLButtonElement} last opens the viewer, and shows the newest
 * @property {HTMLDialogElement} viewer
 * @property {HTMLElement} flash lies over the picture
 * @property {HTMLElement} heard role="status", for those who see no flash
 */

export class Shots {
  #elements;
  #onRemark;
  /** @type {Shot[]} the oldest first */
  #shots = [];
  /** @type {Shot|null} the one in the viewer */
  #shown = null;
  #buttons;
  /** @type {number|undefined} the timeout after which the question whether to delete is taken back */
  #unsure;

  /**
   * @param {ShotElements} elements
   * @param {(sentence: string) => void} onRemark
   */
  constructor(elements, onRemark) {
    this.#elements = elements;
    this.#onRemark = onRemark;
    const button = (/** @type {string} */ name) => find(elements.viewer, `[data-does="${name}"]`, HTMLButtonElement);
    this.#buttons = {
      share: button('share'), save: button('save'), remove: button('remove'), older: button('older'), newer: button('newer'),
    };
  }

  start() {
    const { share: shareIt, save, remove, older, newer } = this.#buttons;
    this.#elements.last.addEventListener('click', () => this.#open(this.#shots.at(-1)));
    this.#elements.viewer.addEventListener('close', () => this.#empty());
    this.#elements.viewer.addEventListener('keydown', this.#onKey);
    shareIt.addEventListener('click', () => this.#share());
    save.addEventListener('click', () => this.#save());
    remove.addEventListener('click', () => this.#remove());
    older.addEventListener('click', () => this.#step(-1));
    newer.addEventListener('click', () => this.#step(1));
  }

  /** @returns {boolean} whether something would be lost with this page */
  get hasUnsaved() {
    return this.#shots.some(({ isSaved }) => !isSaved);
  }

  /**
   * Flash, and keep a photo. It is downloaded at once, except on phones, where the viewer offers to share it.
   * @param {Blob} blob
   * @param {{width: number, height: number}} size in pixels
   */
  addPhoto(blob, { width, height }) {
    this.#flash();
    this.#add({ blob, isVideo: false, about: `${width} × ${height}` });
    this.#elements.heard.textContent = 'Photo taken.';
  }

  /**
   * Keep a recording. It is downloaded at once, except on phones, where the viewer opens.
   * @param {import('./recorder.js').Recording} recording
   */
  addVideo({ blob, ms, picture }) {
    const about = `${clock(ms)} · ${picture.width} × ${picture.height}`;
    const shot = this.#add({ blob, isVideo: true, about, picture });
    this.#elements.heard.textContent = 'Video recorded.';
    if (!shot.isSaved) this.#open(shot);
  }

  destroy() {
    clearTimeout(this.#unsure);
    this.#elements.viewer.close();
    this.#shots.forEach(({ url }) => URL.revokeObjectURL(url));
    this.#shots = [];
  }

  /**
   * @param {{blob: Blob, isVideo: boolean, about: string, picture?: HTMLCanvasElement}} taken
   * @returns {Shot}
   */
  #add({ blob, isVideo, about, picture }) {
    const file = fileOf(blob);
    const url = URL.createObjectURL(file);
    const isSaved = !isShareable(file);
    const thumbnail = picture ? thumbnailOf(picture) : url;
    const shot = { file, isVideo, about: `${about} · ${megabytes(file.size)}`, url, thumbnail, isSaved };
    if (isSaved) download(file);
    this.#shots.push(shot);
    this.#letGo(surplus(this.#shots));
    this.#showLast();
    return shot;
  }

  /** @param {Shot[]} gone */
  #letGo(gone) {
    if (gone.some(({ isSaved }) => !isSaved)) this.#onRemark('The oldest one was let go. Save or share the others to keep them.');
    this.#shots = this.#shots.filter((shot) => !gone.includes(shot));
    gone.forEach(({ url }) => URL.revokeObjectURL(url));
  }

  #showLast() {
    const { last } = this.#elements;
    const newest = this.#shots.at(-1);
    last.hidden = !newest;
    if (!newest) return;
    find(last, 'img', HTMLImageElement).src = newest.thumbnail;
    last.toggleAttribute('data-unsaved', !newest.isSaved);
    last.setAttribute('aria-label', newest.isVideo ? 'Open the last video' : 'Open the last photo');
  }

  #flash() {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    this.#elements.flash.animate([{ opacity: 0.9 }, { opacity: 0 }], { duration: FLASH_MS, easing: 'ease-out' });
  }

  // The viewer

  /** @param {Shot|undefined} shot */
  #open(shot) {
    if (!shot) return;
    this.#show(shot);
    if (!this.#elements.viewer.open) this.#elements.viewer.showModal();
  }

  /** @param {Shot} shot */
  #show(shot) {
    this.#shown = shot;
    const { viewer } = this.#elements;
    const { share: shareIt, save, older, newer } = this.#buttons;
    const [index, count] = [this.#shots.indexOf(shot), this.#shots.length];
    find(viewer, '.shown').replaceChildren(viewOf(shot));
    find(viewer, '.about').textContent = shot.about;
    find(viewer, '.count').textContent = count > 1 ? `${index + 1} of ${count}` : '';
    shareIt.hidden = !isShareable(shot.file);
    save.classList.toggle('primary', shareIt.hidden);
    save.classList.toggle('quiet', !shareIt.hidden);
    older.hidden = newer.hidden = count < 2;
    older.disabled = index === 0;
    newer.disabled = index === count - 1;
    this.#beSure(false);
  }

  /** Let go of the video, which would play on. */
  #empty() {
    this.#shown = null;
    find(this.#elements.viewer, '.shown').replaceChildren();
  }

  /** @param {KeyboardEvent} event */
  #onKey = ({ key, target }) => {
    if (target instanceof HTMLVideoElement) return; // there the arrows move through the video
    if (key === 'ArrowLeft') this.#step(-1);
    if (key === 'ArrowRight') this.#step(1);
  };

  /** @param {-1|1} by */
  #step(by) {
    if (!this.#shown) return;
    const next = this.#shots[this.#shots.indexOf(this.#shown) + by];
    if (next) this.#show(next);
  }

  async #share() {
    const shot = this.#shown;
    if (!shot) return;
    try {
      if (await share(shot.file)) this.#markSaved(shot);
    } catch {
      this.#onRemark('This device does not share the file. It can be saved instead.');
    }
  }

  #save() {
    if (!this.#shown) return;
    download(this.#shown.file);
    this.#markSaved(this.#shown);
  }

  /** @param {Shot} shot */
  #markSaved(shot) {
    shot.isSaved = true;
    this.#showLast();
  }

  /** Delete what is in the viewer; if it is nowhere else, only at the second press. */
  #remove() {
    const shot = this.#shown;
    if (!shot) return;
    if (!shot.isSaved && !this.#buttons.remove.hasAttribute('data-sure')) return this.#beSure(true);
    const index = this.#shots.indexOf(shot);
    this.#shots.splice(index, 1);
    URL.revokeObjectURL(shot.url);
    this.#showLast();
    const next = this.#shots[Math.min(index, this.#shots.length - 1)];
    if (next) this.#show(next);
    else this.#elements.viewer.close();
  }

  /** @param {boolean} asks whether the next press deletes something that is nowhere else */
  #beSure(asks) {
    clearTimeout(this.#unsure);
    const { remove } = this.#buttons;
    remove.toggleAttribute('data-sure', asks);
    remove.textContent = asks ? 'Delete for good?' : 'Delete';
    if (asks) this.#unsure = setTimeout(() => this.#beSure(false), SURE_MS);
  }
}

/**
 * @param {Shot} shot
 * @returns {HTMLElement} the photo, or the video with controls
 */
function viewOf({ isVideo, url, about }) {
  if (!isVideo) return Object.assign(document.createElement('img'), { src: url, alt: `Your photo, ${about}` });
  return Object.assign(document.createElement('video'), {
    src: url, controls: true, playsInline: true, autoplay: true, loop: true, ariaLabel: `Your video, ${about}`,
  });
}

/**
 * @param {HTMLCanvasElement} picture
 * @returns {string} a data URL
 */
function thumbnailOf(picture) {
  const canvas = document.createElement('canvas');
  const { width, height } = letterbox(picture, { width: THUMBNAIL_SIDE, height: THUMBNAIL_SIDE });
  Object.assign(canvas, { width, height });
  context2d(canvas).drawImage(picture, 0, 0, width, height);
  return canvas.toDataURL('image/jpeg', 0.8);
}

/**
 * @param {number} bytes
 * @returns {string}
 */
function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
