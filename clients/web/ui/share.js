/** The switch by which the user lets the server learn from this browser's pictures. It is off until it is set. */

import { find } from '../basics/dom.js';

/** The localStorage key. */
const KEY = 'mvstylizer.share';
/** The names that the server accepts. */
const NAME = /^[0-9a-f-]{16,64}$/;

/**
 * What becomes of the pictures, in a line.
 * @param {boolean} isShared whether the server may learn from them
 * @returns {string}
 */
function privacyOf(isShared) {
  const pictures = isShared
    ? 'The pictures go to this server, which keeps a few of them for at most a day to learn, as you allowed.'
    : 'The pictures go to this server and are not kept.';
  return `${pictures} Photos that you add as looks are kept until a day after their last use.`;
}

/**
 * What the user decided.
 * @typedef {object} Consent
 * @property {boolean} on
 * @property {string} by a random name, by which shared pictures can be taken back even in a later session
 */

export class Share {
  #button;
  #dialog;
  #switch;
  #onChange;
  /** @type {Consent|null} null if nothing was ever shared, or if the server has deleted it all */
  #consent = stored();
  /** Whether the decision is stored, so that other pages, and this one later, find it. */
  #isStored = true;

  /**
   * @param {HTMLButtonElement} button opens the dialog
   * @param {HTMLDialogElement} dialog with a checkbox
   * @param {() => void} onChange called when the message has changed
   */
  constructor(button, dialog, onChange) {
    this.#button = button;
    this.#dialog = dialog;
    this.#switch = find(dialog, 'input', HTMLInputElement);
    this.#onChange = onChange;
  }

  start() {
    this.#show();
    this.#button.addEventListener('click', this.#open);
    this.#switch.addEventListener('change', this.#change);
  }

  /** @returns {{type: 'share', on: boolean, by: string}|null} the message to the server; null if there is none */
  get message() {
    return this.#consent && { type: 'share', ...this.#consent };
  }

  /**
   * Note that the server has done what the message asked for.
   * @param {boolean} on as in the message
   */
  confirm(on) {
    if (!on && this.#consent?.on === false) this.#keep(null);
  }

  /** Read the decision anew, because the server has lost it and another page may have changed it. */
  again() {
    if (this.#isStored) this.#consent = stored();
    this.#show();
  }

  destroy() {
    this.#button.removeEventListener('click', this.#open);
    this.#switch.removeEventListener('change', this.#change);
  }

  #show() {
    const isShared = this.#consent?.on ?? false;
    this.#switch.checked = isShared;
    document.querySelectorAll('.privacy').forEach((line) => { line.textContent = privacyOf(isShared); });
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
    this.#show();
    try {
      localStorage.setItem(KEY, JSON.stringify(consent));
      this.#isStored = true;
    } catch {
      this.#isStored = false; // this browser stores nothing: the decision holds until the user leaves the page
    }
  }
}

/**
 * A random name of 128 bits. Browsers have crypto.randomUUID on secure pages only, but this switch is on all pages.
 * @returns {string} hex digits
 */
function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @returns {Consent|null} the stored decision; null if there is none, or something else in its place */
function stored() {
  try {
    const { on, by } = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    return typeof on === 'boolean' && NAME.test(by) ? { on, by } : null;
  } catch {
    return null;
  }
}
