/** The switch by which the user lets the server learn from this browser's pictures. It is off until it is set. */

import { find } from './dom.js';

/** The localStorage key. */
const KEY = 'mvstylizer.share';
/** What the server takes for a name. */
const NAME = /^[0-9a-f-]{16,64}$/;

/**
 * What the user decided.
 * @typedef {object} Consent
 * @property {boolean} on
 * @property {string} by a random name: the pictures shared under it can be taken back in a later session, too
 */

export class Share {
  #button;
  #dialog;
  #switch;
  #onChange;
  /** @type {Consent|null} null when nothing was ever shared, or the server has deleted it */
  #consent = stored();
  /** Whether other pages, and this one later, find the decision. */
  #isStored = true;

  /**
   * @param {HTMLButtonElement} button opens the dialog
   * @param {HTMLDialogElement} dialog with a checkbox
   * @param {() => void} onChange the message has changed
   */
  constructor(button, dialog, onChange) {
    this.#button = button;
    this.#dialog = dialog;
    this.#switch = find(dialog, 'input', HTMLInputElement);
    this.#onChange = onChange;
  }

  start() {
    this.#switch.checked = this.#consent?.on ?? false;
    this.#button.addEventListener('click', this.#open);
    this.#switch.addEventListener('change', this.#change);
  }

  /** @returns {{type: 'share', on: boolean, by: string}|null} what to tell the server; null for nothing */
  get message() {
    return this.#consent && { type: 'share', ...this.#consent };
  }

  /**
   * The server has done what the message asked for.
   * @param {boolean} on as in the message
   */
  confirm(on) {
    if (!on && this.#consent?.on === false) this.#keep(null);
  }

  /** The server has lost what it was told: read the decision anew, as another page may have changed it. */
  again() {
    if (this.#isStored) this.#consent = stored();
    this.#switch.checked = this.#consent?.on ?? false;
  }

  destroy() {
    this.#button.removeEventListener('click', this.#open);
    this.#switch.removeEventListener('change', this.#change);
  }

  #open = () => this.#dialog.showModal();

  #change = () => {
    this.#keep({ on: this.#switch.checked, by: this.#consent?.by ?? randomName() });
    this.#onChange();
  };

  /**
   * Store the decision. A withdrawal is stored, too, until the server has confirmed it.
   * @param {Consent|null} consent
   */
  #keep(consent) {
    this.#consent = consent;
    try {
      localStorage.setItem(KEY, JSON.stringify(consent));
      this.#isStored = true;
    } catch {
      this.#isStored = false; // this browser stores nothing: the decision holds until the page is left
    }
  }
}

/**
 * 128 random bits. Browsers have crypto.randomUUID on secure pages only, and this switch is on all pages.
 * @returns {string} in hex
 */
function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @returns {Consent|null} null also where there is something else in its place */
function stored() {
  try {
    const { on, by } = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    return typeof on === 'boolean' && NAME.test(by) ? { on, by } : null;
  } catch {
    return null;
  }
}
