/** The button for the whole screen. It is hidden where pages may not have that, as on an iPhone. */

export class FullScreen {
  #button;

  /** @param {HTMLButtonElement} button a toggle button */
  constructor(button) {
    this.#button = button;
  }

  start() {
    this.#button.hidden = !document.fullscreenEnabled;
    this.#button.addEventListener('click', this.toggle);
    document.addEventListener('fullscreenchange', this.#show);
  }

  toggle = async () => {
    if (!document.fullscreenEnabled) return;
    const change = document.fullscreenElement
      ? document.exitFullscreen() : document.documentElement.requestFullscreen({ navigationUI: 'hide' });
    await change.catch(() => {}); // the user was faster, or the browser wants a click first
  };

  destroy() {
    this.#button.removeEventListener('click', this.toggle);
    document.removeEventListener('fullscreenchange', this.#show);
  }

  #show = () => this.#button.setAttribute('aria-pressed', String(document.fullscreenElement !== null));
}
