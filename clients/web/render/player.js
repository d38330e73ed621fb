/** Shows the picture: draws each frame in the current look, untouched on the "before" side of the divider. */

import { Compare } from './compare.js';
import { drawFullSize } from './full_size.js';
import { GridFade } from './grid_fade.js';
import { context2d } from '../basics/canvas.js';
import { cubeText, globalGrid, pixelCounts } from './lut.js';
import { Renderer } from './renderer.js';
import { Renderer2D } from './renderer2d.js';
import { Stage } from './stage.js';

/** @typedef {import('./grid.js').Grid} Grid */
/** @typedef {import('../basics/canvas.js').Frame} Frame */
/** @typedef {import('./renderer.js').Mode} Mode */
/** @typedef {import('./renderer.js').Span} Span */
/** @typedef {import('../flow/tracker.js').Flow} Flow */

/**
 * @typedef {object} PlayerElements
 * @property {HTMLCanvasElement} output in the picture
 * @property {HTMLElement} picture on the stage
 * @property {HTMLElement} divider in the picture, role="slider"
 * @property {HTMLElement} stage the visible area
 * @property {HTMLElement} dock the controls over the stage's lower edge
 */

/**
 * What is known about an answered key frame.
 * @typedef {object} KeyFrameContext
 * @property {OffscreenCanvas|null} [picture] the key frame itself, if pictures are kept
 * @property {Flow|null} [toOlder] from the frame on show to the key frame shown until now
 * @property {Flow|null} [toNewer] from the same frame to this key frame
 */

/** @typedef {{blob: Blob, width: number, height: number}} Picture a JPEG and its size in pixels */

const JPEG_QUALITY = 0.95;
/** @type {Span} the span without any untouched part */
const UNDIVIDED = [0, 0];
/** @type {Span} the span of which all is untouched */
const WHOLE = [0, 1];
/** The side, in pixels, of a cell of the grid in the picture whose pixels are counted for a LUT. */
const CELL_PX = 8;

export class Player {
  #output;
  #picture;
  #fade = new GridFade();
  /** @type {Grid|null} the grid that the picture is drawn with */
  #grid = null;
  #hasLook = false;
  #isUntouched = false;
  /** @type {Renderer|Renderer2D} */
  #renderer;
  #stage;
  #compare;

  /** @type {((picture: HTMLCanvasElement) => void)|null} */
  #onDrawn = null;

  /**
   * @param {PlayerElements} elements
   * @param {Mode} [mode]
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

  /** @returns {HTMLCanvasElement} the canvas, in the camera's resolution */
  get output() {
    return this.#output;
  }

  /** @param {((picture: HTMLCanvasElement) => void)|null} onDrawn called now and with each frame, without the divider */
  set onDrawn(onDrawn) {
    this.#onDrawn = onDrawn;
    this.#draw();
  }

  /** @returns {boolean} whether the CPU draws; pictures are then best kept in its memory */
  get onCpu() {
    return this.#renderer.onCpu;
  }

  /** @returns {boolean} whether the frame on show is still being drawn */
  get busy() {
    return this.#renderer.busy;
  }

  /** @param {boolean} mirrored whether the picture is shown as in a mirror; saved photos and videos never are */
  set mirrored(mirrored) {
    this.#picture.toggleAttribute('data-mirrored', mirrored);
  }

  /** @param {boolean} untouched whether all of the picture is shown as it comes, while recordings keep the look */
  set untouched(untouched) {
    this.#isUntouched = untouched;
    this.#draw();
  }

  /** @param {number} strength the style's strength, 0..1 */
  set strength(strength) {
    this.#fade.strength = strength;
  }

  /** @returns {boolean} whether the divider is on show now */
  toggleCompare() {
    this.#compare.enabled = !this.#compare.enabled;
    return this.#compare.enabled;
  }

  /** @returns {boolean} whether frames are drawn along the flow to the key frame */
  get usesFlow() {
    return this.#renderer.usesFlow;
  }

  /** @returns {boolean} whether a look has ever arrived */
  get hasLook() {
    return this.#hasLook;
  }

  /**
   * Take the answer to a key frame; frames are drawn with it from now on.
   * @param {Grid} grid
   * @param {boolean} cut whether the scene changed
   * @param {KeyFrameContext} [context]
   */
  arrive(grid, cut, { picture = null, toOlder = null, toNewer = null } = {}) {
    this.#hasLook = true;
    if (toNewer && toOlder) this.#fade.arrive(grid, cut, toNewer, toOlder);
    else this.#fade.arrive(grid, cut);
    if (this.#renderer.usesFlow) this.#renderer.setKey(picture);
  }

  /** Draw frames as they are until the next answer, because they show something else. */
  forget() {
    this.#hasLook = false;
    this.#fade.forget();
    if (this.#renderer.usesFlow) this.#renderer.setKey(null);
  }

  /**
   * Show a frame at once, with the flow that is known by now.
   * @param {Frame} frame
   * @param {Flow|null} [flow] the newest flow to the key frame on show
   */
  show({ source, width, height }, flow = null) {
    const grid = this.#fade.step();
    if (grid) this.#renderer.setGrid(this.#grid = grid);
    if (this.#renderer.usesFlow) this.#renderer.setFlow(flow);
    this.#renderer.setImage(source, width, height);
    this.#stage.fit(width, height);
    this.#draw();
  }

  /**
   * Draw the frame on show again when its own flow is there, but only on a GPU, where drawing is cheap.
   * @param {Flow|null} flow
   */
  follow(flow) {
    if (this.onCpu || !this.#renderer.usesFlow) return;
    this.#renderer.setFlow(flow);
    this.#draw();
  }

  /**
   * The stylized frame as it is, without the divider.
   * @param {HTMLCanvasElement} [still] is drawn in its own size instead of the frame on show, which it is the original of
   * @returns {Promise<Picture|null>} null if there is none yet
   */
  async photo(still) {
    if (still) {
      const { canvas, free } = drawFullSize(still, this.#grid, this.#renderer instanceof Renderer);
      return jpegOf(canvas).finally(free);
    }
    this.#renderer.draw(UNDIVIDED);
    const photo = jpegOf(this.#output);
    this.#draw();
    return photo;
  }

  /**
   * The look on show, at its strength, as a colour table for the whole picture.
   * @param {string} title
   * @returns {Blob|null} a `.cube` file; null if there is no frame yet
   */
  lut(title) {
    const grid = this.#grid;
    if (!grid) return null;
    const [, rows, columns] = grid.shape;
    const small = document.createElement('canvas');
    [small.width, small.height] = [CELL_PX * columns, CELL_PX * rows];
    const context = context2d(small, { willReadFrequently: true });
    this.#renderer.draw(WHOLE);
    context.drawImage(this.#output, 0, 0, small.width, small.height);
    this.#draw();
    const pixels = context.getImageData(0, 0, small.width, small.height);
    return new Blob([cubeText(globalGrid(grid, pixelCounts(pixels, grid.shape)), title)], { type: 'application/cube' });
  }

  /**
   * The frame on show, for tests and tools.
   * @returns {{source: string, output: string}} PNG data URLs of the untouched and of the stylized frame
   */
  snapshot() {
    const source = this.#drawn(WHOLE);
    const output = this.#drawn(UNDIVIDED);
    this.#draw();
    return { source, output };
  }

  destroy() {
    this.#compare.destroy();
    this.#stage.destroy();
    this.#renderer.destroy();
  }

  #draw() {
    if (this.#onDrawn) {
      this.#renderer.draw(UNDIVIDED);
      this.#onDrawn(this.#output);
    }
    if (!this.#onDrawn || this.#compare.enabled || this.#isUntouched) this.#renderer.draw(this.#before());
  }

  /**
   * @param {Span} before
   * @returns {string} a PNG data URL of the frame, with this part untouched
   */
  #drawn(before) {
    this.#renderer.draw(before);
    return this.#output.toDataURL();
  }

  /** @returns {Span} the untouched part, which the user sees on the left of the divider */
  #before() {
    if (this.#isUntouched) return WHOLE;
    if (!this.#compare.enabled) return UNDIVIDED;
    const { position } = this.#compare;
    return this.#picture.hasAttribute('data-mirrored') ? [1 - position, 1] : [0, position];
  }
}

/**
 * @param {HTMLCanvasElement} canvas drawn just now
 * @returns {Promise<Picture|null>} null if there is nothing on it
 */
async function jpegOf(canvas) {
  const { width, height } = canvas;
  /** @type {Blob|null} */
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', JPEG_QUALITY); });
  return blob && { blob, width, height };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Mode} mode
 * @returns {Renderer|Renderer2D} the latter if the browser has no WebGL2
 */
function createRenderer(canvas, mode) {
  try {
    return new Renderer(canvas, mode);
  } catch {
    return new Renderer2D(canvas);
  }
}
