/** Single keys that do what the buttons do. Users may switch them off, since dictation software types letters, too. */

import { PressOrHold } from './press_or_hold.js';

/** The localStorage key; it is there only while the keys are off. */
const OFF = 'mvstylizer.keys_off';

/** @typedef {'photo'|'record'|'compare'|'full-screen'|'picture-in-picture'|'numbers'|'help'} Command */

/** @type {Map<string, Command>} what each key does, by KeyboardEvent.key in lower case */
const COMMANDS = new Map([
  [' ', 'photo'], ['r', 'record'], ['c', 'compare'], ['f', 'full-screen'],
  ['p', 'picture-in-picture'], ['n', 'numbers'], ['?', 'help'],
]);
/** Fields that take letters. */
const TYPED_IN = 'input:not([type="range"], [type="radio"], [type="checkbox"], [type="file"]), textarea, select';
/** Elements that the space bar works, once the keyboard has come to them. */
const PRESSED = 'button, input, a, summary';

/**
 * What a key stands for.
 * @param {{key: string, ctrlKey: boolean, altKey: boolean, metaKey: boolean}} event
 * @returns {Command|number|null} a number is the place of a look, from 0 on
 */
export function commandOf({ key, ctrlKey, altKey, metaKey }) {
  if (ctrlKey || altKey || metaKey) return null;
  if (/^[1-9]$/.test(key)) return Number(key) - 1;
  return COMMANDS.get(key.toLowerCase()) ?? null;
}

/**
 * @typedef {object} ShortcutHandlers
 * @property {(command: Command) => void} onCommand
 * @property {(place: number) => void} onLook choose the look at this place, from 0 on
 * @property {(isHeld: boolean) => void} onHold the key of `compare` is held, or no longer
 */

export class Shortcuts {
  #switch;
  #handlers;
  #compare;
  /** Whether the focus came to its element by a pointer: then the space bar still means a photo. */
  #isPointed = false;

  /**
   * @param {HTMLInputElement} isOn the checkbox that switches the keys
   * @param {ShortcutHandlers} handlers
   */
  constructor(isOn, handlers) {
    this.#switch = isOn;
    this.#handlers = handlers;
    this.#compare = new PressOrHold(handlers.onHold);
  }

  start() {
    this.#switch.checked = !isStoredOff();
    this.#switch.addEventListener('change', this.#onSwitch);
    document.addEventListener('keydown', this.#onDown);
    document.addEventListener('keyup', this.#onUp);
    document.addEventListener('pointerdown', this.#onPointer, { passive: true });
    window.addEventListener('blur', this.#onBlur);
  }

  destroy() {
    this.#compare.cancel();
    this.#switch.removeEventListener('change', this.#onSwitch);
    document.removeEventListener('keydown', this.#onDown);
    document.removeEventListener('keyup', this.#onUp);
    document.removeEventListener('pointerdown', this.#onPointer);
    window.removeEventListener('blur', this.#onBlur);
  }

  /** @param {KeyboardEvent} event */
  #onDown = (event) => {
    if (event.key === 'Tab' || event.key.startsWith('Arrow')) this.#isPointed = false;
    const command = this.#commandOf(event);
    if (command === null) return;
    event.preventDefault();
    if (command === 'photo' && document.activeElement instanceof HTMLElement) document.activeElement.blur();
    if (event.repeat) return;
    if (command === 'compare') this.#compare.down();
    else if (typeof command === 'number') this.#handlers.onLook(command);
    else this.#handlers.onCommand(command);
  };

  /** @param {KeyboardEvent} event */
  #onUp = (event) => {
    if (this.#commandOf(event) === 'compare' && !this.#compare.up()) this.#handlers.onCommand('compare');
  };

  #onPointer = () => { this.#isPointed = true; };

  #onBlur = () => this.#compare.cancel();

  /**
   * @param {KeyboardEvent} event
   * @returns {Command|number|null} null if the key is for somebody else
   */
  #commandOf(event) {
    const focus = document.activeElement;
    const isForOthers = !this.#switch.checked || focus?.matches(TYPED_IN) || document.querySelector('dialog[open]');
    const command = isForOthers ? null : commandOf(event);
    return command === 'photo' && focus?.matches(PRESSED) && !this.#isPointed ? null : command;
  }

  #onSwitch = () => {
    try {
      if (this.#switch.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, '');
    } catch {
      // This browser stores nothing: the switch holds until the user leaves the page.
    }
  };
}

/** @returns {boolean} */
function isStoredOff() {
  try {
    return localStorage.getItem(OFF) !== null;
  } catch {
    return false;
  }
}
