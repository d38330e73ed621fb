/** The picture in a small window above all others. The button is hidden where browsers have no such window for pages. */

/** Frames a second of the window: enough for a picture of this size, and light for the browser. */
const FPS = 30;

export class PictureInPicture {
  #button;
  #picture;
  #onRemark;
  #isOpen = false;
  #video = Object.assign(document.createElement('video'), { muted: true, playsInline: true });

  /**
   * @param {HTMLButtonElement} button a toggle button
   * @param {HTMLCanvasElement} picture is shown as it is, so not mirrored
   * @param {(sentence: string) => void} onRemark
   */
  constructor(button, picture, onRemark) {
    this.#button = button;
    this.#picture = picture;
    this.#onRemark = onRemark;
  }

  start() {
    this.#button.hidden = !isPossible();
    this.#button.addEventListener('click', this.toggle);
    this.#video.addEventListener('enterpictureinpicture', this.#onEntered);
    this.#video.addEventListener('leavepictureinpicture', this.#onLeft);
  }

  /** Open the window, or close it. */
  toggle = async () => {
    if (!isPossible()) return;
    if (this.#isOpen) return this.close();
    this.#video.srcObject = this.#picture.captureStream(FPS);
    try {
      await this.#video.play(); // the browser has to know the picture's size first
      await this.#video.requestPictureInPicture();
    } catch {
      this.#onLeft();
      this.#onRemark('The browser did not open the window. Please try again.');
    }
  };

  /** Close the window, because there is no picture any more. */
  async close() {
    if (this.#isOpen) await document.exitPictureInPicture().catch(() => {}); // the user was faster
  }

  destroy() {
    this.close();
    this.#button.removeEventListener('click', this.toggle);
    this.#video.removeEventListener('enterpictureinpicture', this.#onEntered);
    this.#video.removeEventListener('leavepictureinpicture', this.#onLeft);
  }

  #onEntered = () => this.#show(true);

  #onLeft = () => {
    const stream = this.#video.srcObject;
    if (stream instanceof MediaStream) stream.getTracks().forEach((track) => track.stop());
    this.#video.srcObject = null;
    this.#show(false);
  };

  /** @param {boolean} isOpen whether the window is there */
  #show(isOpen) {
    this.#isOpen = isOpen;
    this.#button.setAttribute('aria-pressed', String(isOpen));
  }
}

/** @returns {boolean} */
function isPossible() {
  return document.pictureInPictureEnabled && 'requestPictureInPicture' in HTMLVideoElement.prototype;
}
