/** The list of one's own photos on the server, in which each can be deleted. */

import { find, instantiate } from '../basics/dom.js';
import { forgetPhoto, listedPhotos } from './own_photos.js';

/** How long the server may take to delete one. */
const DELETE_MS = 10_000;

/** @typedef {import('./gallery.js').Style} Style */

export class PhotoList {
  #section;
  #row;
  #handlers;

  /**
   * @param {HTMLElement} section with a list, `ul`; hidden while there are no photos
   * @param {HTMLTemplateElement} row
   * @param {{onDeleted: (id: string) => void, onRemark: (sentence: string) => void}} handlers
   */
  constructor(section, row, handlers) {
    this.#section = section;
    this.#row = row;
    this.#handlers = handlers;
  }

  /** Show the photos that there are now. */
  show() {
    const own = listedPhotos();
    this.#section.hidden = !own.length;
    find(this.#section, 'ul', HTMLUListElement).replaceChildren(...own.map((style) => this.#item(style)));
  }

  /** @param {Style} style */
  #item(style) {
    const item = instantiate(this.#row);
    find(item, 'img', HTMLImageElement).src = style.thumbnail;
    find(item, 'span').textContent = style.name;
    const button = find(item, 'button', HTMLButtonElement);
    button.setAttribute('aria-label', `Delete “${style.name}”`);
    button.addEventListener('click', () => this.#delete(style, button));
    return item;
  }

  /**
   * @param {Style} style
   * @param {HTMLButtonElement} button
   */
  async #delete(style, button) {
    button.disabled = true;
    try {
      await deleteThere(style);
      await forgetPhoto(style.id);
      this.#handlers.onDeleted(style.id);
      this.#handlers.onRemark(`“${style.name}” is deleted.`);
    } catch (error) {
      this.#handlers.onRemark(error instanceof Error ? error.message : String(error));
    }
    this.show();
  }
}

/**
 * Have the server delete a photo.
 * @param {Style} style
 * @throws {Error} with the reason, as a sentence
 */
async function deleteThere({ id, key }) {
  if (!key) return; // it was sent before there were keys, and is forgotten there a day after its last use
  const headers = { 'Content-Type': 'application/json' };
  const request = { method: 'POST', headers, body: JSON.stringify({ id, key }), signal: AbortSignal.timeout(DELETE_MS) };
  const response = await fetch('/styles/delete', request).catch(() => null);
  if (response?.ok || response?.status === 403) return; // 403: the server has forgotten it by itself
  const answer = await response?.json().catch(() => null);
  throw new Error(answer?.error ?? 'The server does not answer. The photo is still there.');
}
