/** Takes photos and videos that are dropped on the page, and photos that are pasted into it. */

/**
 * @typedef {object} FileHandlers
 * @property {(photo: File) => void} onLook a photo whose look is wanted
 * @property {(file: File) => void} onSource a photo or video to show
 */

export class FileDrop {
  #zones;
  #handlers;

  /**
   * @param {HTMLElement} zones lies over the page while a file is held over it; its children have a data-takes, which is
   *   "look" or "source"
   * @param {FileHandlers} handlers
   */
  constructor(zones, handlers) {
    this.#zones = zones;
    this.#handlers = handlers;
  }

  start() {
    document.addEventListener('dragenter', this.#onDrag);
    document.addEventListener('dragover', this.#onDrag);
    document.addEventListener('dragleave', this.#onLeave);
    document.addEventListener('drop', this.#onDrop);
    document.addEventListener('paste', this.#onPaste);
  }

  destroy() {
    document.removeEventListener('dragenter', this.#onDrag);
    document.removeEventListener('dragover', this.#onDrag);
    document.removeEventListener('dragleave', this.#onLeave);
    document.removeEventListener('drop', this.#onDrop);
    document.removeEventListener('paste', this.#onPaste);
  }

  /** @param {DragEvent} event */
  #onDrag = (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault(); // otherwise the browser would leave the page and open the file
    this.#zones.hidden = false;
    const zone = zoneAt(event);
    for (const each of this.#zones.children) each.toggleAttribute('data-over', each === zone);
  };

  /** @param {DragEvent} event */
  #onLeave = (event) => {
    if (!event.relatedTarget) this.#zones.hidden = true; // it has left the window
  };

  /** @param {DragEvent} event */
  #onDrop = (event) => {
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    this.#zones.hidden = true;
    if (zoneAt(event)?.dataset.takes === 'look' && !file.type.startsWith('video/')) this.#handlers.onLook(file);
    else this.#handlers.onSource(file);
  };

  /** @param {ClipboardEvent} event */
  #onPaste = (event) => {
    const photo = [...event.clipboardData?.files ?? []].find(({ type }) => type.startsWith('image/'));
    if (photo) this.#handlers.onLook(photo);
  };
}

/**
 * @param {DragEvent} event
 * @returns {HTMLElement|null}
 */
function zoneAt({ target }) {
  return target instanceof Element ? target.closest('[data-takes]') : null;
}
