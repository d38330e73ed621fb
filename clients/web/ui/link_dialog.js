/** The dialog that gives a link to the look on show: to the page, or to the picture alone. */

import { find } from '../basics/dom.js';
import { linkTo } from '../looks/look_link.js';

/** @typedef {{look: string, strength: number, isOwn: boolean}} LinkedLook isOwn: whether it is somebody's photo */

export class LinkDialog {
  #dialog;
  #link;
  #clean;
  #copy;
  /** @type {LinkedLook|null} */
  #look = null;

  /** @param {HTMLDialogElement} dialog with .link, .clean, .copy and .own */
  constructor(dialog) {
    this.#dialog = dialog;
    this.#link = find(dialog, '.link', HTMLInputElement);
    this.#clean = find(dialog, '.clean', HTMLInputElement);
    this.#copy = find(dialog, '.copy', HTMLButtonElement);
  }

  start() {
    this.#clean.addEventListener('change', this.#show);
    this.#copy.addEventListener('click', this.#onCopy);
  }

  /** @param {LinkedLook} look */
  open(look) {
    this.#look = look;
    find(this.#dialog, '.own').hidden = !look.isOwn;
    this.#show();
    this.#dialog.showModal();
    this.#link.select();
  }

  destroy() {
    this.#clean.removeEventListener('change', this.#show);
    this.#copy.removeEventListener('click', this.#onCopy);
  }

  #show = () => {
    if (this.#look) this.#link.value = linkTo(location.href, { ...this.#look, isClean: this.#clean.checked });
    this.#copy.textContent = 'Copy';
  };

  #onCopy = async () => {
    this.#link.select();
    const isCopied = await copy(this.#link.value);
    this.#copy.textContent = isCopied ? 'Copied' : 'Press Ctrl+C or ⌘C';
  };
}

/**
 * Browsers give the clipboard to secure pages only; on others, the selected text can be copied in the old way.
 * @param {string} text which is selected
 * @returns {Promise<boolean>} whether it was copied
 */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return document.execCommand('copy');
  }
}
