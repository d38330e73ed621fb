/** Whether the server may learn from this browser's pictures: off until the switch is set, and off again at any time. */

const KEY = 'mvstylizer.share';

/**
 * @typedef {object} Word
 * @property {boolean} on
 * @property {string} by the name that our pictures are taken back by, in this session or a later one
 */

export class Share {
  #button;
  #dialog;
  #switch;
  #onChange;
  /** @type {Word|null} null: nothing was ever shared, or the server has deleted it */
  #word = stored();

  /**
   * @param {HTMLButtonElement} button opens the dialog
   * @param {HTMLDialogElement} dialog with a checkbox
   * @param {() => void} onChange there is something new to tell
   */
  constructor(button, dialog, onChange) {
    this.#button = button;
    this.#dialog = dialog;
    this.#switch = dialog.querySelector('input');
    this.#onChange = onChange;
  }

  start() {
    this.#switch.checked = this.#word?.on ?? false;
    this.#button.addEventListener('click', this.#open);
    this.#switch.addEventListener('change', this.#change);
  }

  /** @returns {{type: 'share', on: boolean, by: string}|null} what to tell the server; null for nothing */
  get message() {
    return this.#word && { type: 'share', ...this.#word };
  }

  /**
   * The server has done as it was told.
   * @param {boolean} on
   */
  confirm(on) {
    if (!on && this.#word?.on === false) this.#keep(null);
  }

  /** The server has forgotten our word: what holds is what this browser keeps, perhaps changed on another page. */
  again() {
    this.#word = stored();
    this.#switch.checked = this.#word?.on ?? false;
  }

  destroy() {
    this.#button.removeEventListener('click', this.#open);
    this.#switch.removeEventListener('change', this.#change);
  }

  #open = () => this.#dialog.showModal();

  #change = () => {
    this.#keep({ on: this.#switch.checked, by: this.#word?.by ?? crypto.randomUUID() });
    this.#onChange();
  };

  /** A "no" is kept, too, until the server has heard it. */
  #keep(word) {
    this.#word = word;
    try {
      localStorage.setItem(KEY, JSON.stringify(word));
    } catch {
      // a browser that keeps nothing: it holds until the page is left
    }
  }
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}
