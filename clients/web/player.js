/** Shows the picture: draws each frame with the look of the moment, and knows what is before and what is after. */

import { Compare } from './compare.js';
import { Look } from './look.js';
import { Renderer } from './renderer.js';
import { Renderer2D } from './renderer2d.js';
import { Stage } from './stage.js';

export class Player {
  #output;
  #picture;
  #look = new Look();
  #renderer;
  #stage;
  #compare;

  /**
   * @param {{output: HTMLCanvasElement, picture: HTMLElement, divider: HTMLElement, stage: HTMLElement,
   *   dock: HTMLElement}} elements the canvas and the divider are in the picture, the picture is on the stage
   * @param {import('./renderer.js').Mode} mode
   */
  constructor({ output, picture, divider, stage, dock }, mode = 'grid') {
    this.#output = output;
    this.#picture = picture;
    this.#renderer = createRenderer(output, mode);
    this.#stage = new Stage(stage, picture, dock);
    this.#compare = new Compare(divider, picture, stage, () => this.#draw());
  }

  start() {
    this.#stage.start();
    this.#compare.start();
  }

  /** @returns {HTMLCanvasElement} */
  get output() {
    return this.#output;
  }

  /** @returns {boolean} whether pictures are best kept in the CPU's memory */
  get onCpu() {
    return this.#renderer.onCpu;
  }

  /** @returns {boolean} whether the frame on show is still being drawn */
  get busy() {
    return this.#renderer.busy;
  }

  /** Shown as in a mirror; the canvas itself, and what is saved of it, is not. */
  set mirrored(mirrored) {
    this.#picture.toggleAttribute('data-mirrored', mirrored);
  }

  /** 0..1 */
  set strength(strength) {
    this.#look.strength = strength;
  }

  /** @returns {boolean} whether the divider is on show now */
  toggleCompare() {
    this.#compare.enabled = !this.#compare.enabled;
    return this.#compare.enabled;
  }

  /** @returns {boolean} whether it can use the flow to the key frame */
  get usesFlow() {
    return this.#renderer.usesFlow;
  }

  /**
   * Take a key frame's answer.
   * @param {import('./reassemble.js').Grid} grid
   * @param {boolean} cut
   * @param {{picture?: OffscreenCanvas|null, toOlder?: import('./tracker.js').Flow|null,
   *   toNewer?: import('./tracker.js').Flow|null}} key the key frame's picture; flows of now to the key frame that was
   *   on show, and to this one
   */
  arrive(grid, cut, { picture = null, toOlder = null, toNewer = null } = {}) {
    this.#look.arrive(grid, cut, ...(toNewer && toOlder ? [toNewer, toOlder] : []));
    if (this.usesFlow) this.#renderer.setKey(picture);
  }

  /**
   * Show a frame at once, with what is known by now.
   * @param {{source: CanvasImageSource, width: number, height: number}} frame its upper left part that counts
   * @param {import('./tracker.js').Flow|null} flow the newest one to the key frame on show
   */
  show({ source, width, height }, flow = null) {
    const grid = this.#look.step();
    if (grid) this.#renderer.setGrid(grid);
    if (this.usesFlow) this.#renderer.setFlow(flow);
    this.#renderer.setImage(source, width, height);
    this.#stage.fit(width, height);
    this.#draw();
  }

  /**
   * Draw the frame on show again, along its own flow: where drawing costs nothing.
   * @param {import('./tracker.js').Flow|null} flow
   */
  follow(flow) {
    if (this.onCpu) return;
    this.#renderer.setFlow(flow);
    this.#draw();
  }

  /** @returns {Promise<Blob>} the stylized frame as a JPEG of the camera's size */
  photo() {
    this.#renderer.draw([0, 0]);
    const photo = new Promise((resolve) => { this.#output.toBlob(resolve, 'image/jpeg', 0.95); });
    this.#draw();
    return photo;
  }

  /**
   * The frame on show, for tests and tools.
   * @returns {{source: string, output: string}} PNG data URLs of the untouched and of the stylized frame
   */
  snapshot() {
    const [source, output] = [[0, 1], [0, 0]].map((before) => {
      this.#renderer.draw(before);
      return this.#output.toDataURL();
    });
    this.#draw();
    return { source, output };
  }

  destroy() {
    this.#compare.destroy();
    this.#stage.destroy();
    this.#renderer.destroy();
  }

  #draw() {
    this.#renderer.draw(this.#before());
  }

  /** The untouched part, left of the divider as it is seen. */
  #before() {
    if (!this.#compare.enabled) return [0, 0];
    const { position } = this.#compare;
    return this.#picture.hasAttribute('data-mirrored') ? [1 - position, 1] : [0, position];
  }
}

function createRenderer(canvas, mode) {
  try {
    return new Renderer(canvas, mode);
  } catch {
    return new Renderer2D(canvas);
  }
}
