/** The button that changes to another camera: at once if it is clear to which one, else through a list. */

import { nextCamera } from '../capture/cameras.js';
import { find } from './dom.js';

/** @typedef {import('../capture/cameras.js').Camera} Camera */
/** @typedef {import('../capture/cameras.js').CameraChoice} CameraChoice */

/** @typedef {Parameters<typeof nextCamera>[1]} CurrentCamera */

export class CameraSwitch {
  #button;
  #dialog;
  #current;
  #onChoose;
  /** @type {Camera[]} */
  #cameras = [];

  /**
   * @param {HTMLButtonElement} button
   * @param {HTMLDialogElement} dialog with a list, `ul`
   * @param {() => CurrentCamera|null} current gives the camera on show, if there is one
   * @param {(choice: CameraChoice) => void} onChoose
   */
  constructor(button, dialog, current, onChoose) {
    this.#button = button;
    this.#dialog = dialog;
    this.#current = current;
    this.#onChoose = onChoose;
  }

  start() {
    this.#button.addEventListener('click', this.#press);
  }

  /**
   * Show the switch if a camera is on show and there are others.
   * @param {Camera[]} cameras all available cameras
   * @returns {boolean} whether it is shown
   */
  show(cameras) {
    this.#cameras = cameras;
    this.#button.hidden = cameras.length < 2 || !this.#current();
    if (this.#dialog.open) this.#list();
    return !this.#button.hidden;
  }

  destroy() {
    this.#button.removeEventListener('click', this.#press);
  }

  #press = () => {
    const current = this.#current();
    const next = current ? nextCamera(this.#cameras, current) : 'list';
    if (next && next !== 'list') return this.#onChoose(next);
    this.#list();
    this.#dialog.showModal();
  };

  #list() {
    const items = this.#cameras.map((camera) => this.#item(camera));
    find(this.#dialog, 'ul', HTMLUListElement).replaceChildren(...items);
  }

  /** @param {Camera} camera */
  #item({ id, label }) {
    const item = document.createElement('li');
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
    button.setAttribute('aria-current', String(id === this.#current()?.id));
    button.addEventListener('click', () => {
      this.#dialog.close();
      this.#onChoose({ id });
    });
    item.append(button);
    return item;
  }
}
