/** Changes to another camera or resolution: by a button that goes to the other side of a phone, and by a list. */

import { nextCamera } from '../capture/cameras.js';
import { find } from '../basics/dom.js';

/** @typedef {import('../capture/cameras.js').Camera} Camera */
/** @typedef {import('../capture/cameras.js').CameraChoice} CameraChoice */

/** @typedef {Parameters<typeof nextCamera>[1]} CurrentCamera */

/**
 * @typedef {object} CameraHandlers
 * @property {() => CurrentCamera|null} current gives the camera on show, if there is one
 * @property {(choice: CameraChoice) => void} onChoose
 * @property {() => {names: string[], chosen: string, size: string}} resolutions see Input.resolutions
 * @property {(name: string) => Promise<void>} onResolution
 */

export class CameraSwitch {
  #button;
  #dialog;
  #handlers;
  /** @type {Camera[]} */
  #cameras = [];

  /**
   * @param {HTMLButtonElement} button
   * @param {HTMLDialogElement} dialog with a list `ul`, and with the resolutions in `.resolutions`
   * @param {CameraHandlers} handlers
   */
  constructor(button, dialog, handlers) {
    this.#button = button;
    this.#dialog = dialog;
    this.#handlers = handlers;
  }

  start() {
    this.#button.addEventListener('click', this.#press);
  }

  /**
   * Show the button if a camera is on show and there are others.
   * @param {Camera[]} cameras all available cameras
   */
  show(cameras) {
    this.#cameras = cameras;
    this.#button.hidden = cameras.length < 2 || !this.#handlers.current();
    if (this.#dialog.open) this.#list();
  }

  /** Let the user choose among cameras and resolutions. */
  open() {
    this.#list();
    this.#dialog.showModal();
  }

  destroy() {
    this.#button.removeEventListener('click', this.#press);
  }

  #press = () => {
    const current = this.#handlers.current();
    const next = current ? nextCamera(this.#cameras, current) : 'list';
    if (next && next !== 'list') this.#handlers.onChoose(next);
    else this.open();
  };

  #list() {
    const items = this.#cameras.map((camera) => this.#item(camera));
    find(this.#dialog, 'ul', HTMLUListElement).replaceChildren(...items);
    const { names, chosen, size } = this.#handlers.resolutions();
    const options = names.map((name) => this.#option(name, name === chosen));
    find(this.#dialog, '.options').replaceChildren(...options);
    find(this.#dialog, '.size').textContent = size && `The camera gives ${size} pixels.`;
  }

  /** @param {Camera} camera */
  #item({ id, label }) {
    const item = document.createElement('li');
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
    button.setAttribute('aria-current', String(id === this.#handlers.current()?.id));
    button.addEventListener('click', () => {
      this.#dialog.close();
      this.#handlers.onChoose({ id });
    });
    item.append(button);
    return item;
  }

  /**
   * @param {string} name of a resolution
   * @param {boolean} isChosen
   * @returns {HTMLElement}
   */
  #option(name, isChosen) {
    const label = document.createElement('label');
    const radio = Object.assign(document.createElement('input'), {
      type: 'radio', name: 'resolution', value: name, checked: isChosen,
    });
    radio.addEventListener('change', async () => {
      await this.#handlers.onResolution(name);
      this.#list();
      find(this.#dialog, `[value="${name}"]`, HTMLInputElement).focus();
    });
    label.append(radio, name);
    return label;
  }
}
