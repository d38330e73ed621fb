/** The live picture for pages of other sites; docs/how-to/embed.md shows how they use it. */

import { isNamed } from './net/style_name.js';
import { LivePipeline } from './live/pipeline.js';
import { mapParts } from './net/style_mix.js';
import { moodId, parseMood } from './net/style_mood.js';

/** @typedef {import('./live/live_state.js').State} State */

/** @typedef {{id: string, name: string, thumbnail: string}} Style a style that comes along */

/**
 * @typedef {object} LivePictureOptions
 * @property {string} [style] see LivePicture.setStyle; without it, the first one
 * @property {number} [strength] of the style, 0..1
 * @property {(state: State, sentence: string) => void} [onState] called when the state changes: `live` while looks come,
 *   and a sentence to show, which may be empty
 */

/** Where this module comes from. */
const GATEWAY = new URL('./', import.meta.url);
/** How long the list of styles may take. */
const HTTP_MS = 10000;

/** No style sheet of ours is in the page; and a policy of the page that forbids inline styles allows this. */
const SHEET = new CSSStyleSheet();
SHEET.replaceSync(`
  [data-mvstylizer] { position: relative; width: 100%; height: 100%; overflow: hidden; }
  [data-mvstylizer] > div { position: absolute; }
  [data-mvstylizer] canvas { display: block; width: 100%; height: 100%; }
  [data-mvstylizer] [data-mirrored] canvas { transform: scaleX(-1); }
  [data-mvstylizer] video { position: absolute; width: 1px; height: 1px; opacity: 0; pointer-events: none; }
`);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, SHEET];

/** Shows the camera or a video in a style. It fills its container as far as the picture's shape allows. */
export class LivePicture {
  #live;
  #style;
  /** @type {Promise<Style[]>|null} null until it is needed, and after it could not be had */
  #styles = null;

  /**
   * @param {HTMLElement} container an element with a size of its own, which this fills
   * @param {LivePictureOptions} [options]
   */
  constructor(container, { style = '', strength = 1, onState = () => {} } = {}) {
    this.#style = style;
    this.#live = new LivePipeline(build(container), {
      onState,
      onTrouble: (trouble) => { if (trouble) onState('failed', `${trouble.title}. ${trouble.help}`); },
      onRemark: (sentence) => onState(this.#live.state, sentence),
      onCameras: () => {},
      onOffer: () => this.#choose(),
      onStyle: () => {},
      onControl: () => {},
      onMixes: () => {},
      previews: { looks: () => [], idOf: (look) => look, strengthOf: () => 1, canvasOf: () => null, onGone: () => {} },
    });
    this.#live.player.strength = strength;
    this.#live.start();
  }

  /** Ask for the camera and show it. */
  startCamera() {
    return this.#live.input.startCamera();
  }

  /** @param {File} file a video that the browser can play */
  startFile(file) {
    return this.#live.input.startFile(file);
  }

  /** @returns {Promise<Style[]>} the styles that come along; rejects if the gateway does not answer */
  styles() {
    this.#styles ??= fetchStyles().catch((error) => {
      this.#styles = null;
      throw error;
    });
    return this.#styles;
  }

  /** @param {string} style a style's id or name, in another mood as `dusk~40`, or a mix of two as `golden-hour.dusk.35` */
  async setStyle(style) {
    this.#style = style;
    await this.#choose();
  }

  /** @param {number} strength 0..1 */
  set strength(strength) {
    this.#live.player.strength = strength;
  }

  /** @returns {HTMLCanvasElement} the picture, in the camera's resolution */
  get canvas() {
    return this.#live.player.output;
  }

  /** @returns {State} */
  get state() {
    return this.#live.state;
  }

  /** Stop, and leave the container empty. */
  destroy() {
    this.#live.destroy();
    this.#live.player.output.closest('[data-mvstylizer]')?.remove();
  }

  async #choose() {
    const wanted = this.#style;
    const styles = await this.styles().catch(() => []);
    if (this.#style === wanted) this.#live.setStyle(wanted ? idOf(wanted, styles) : styles[0]?.id ?? '');
  }
}

/**
 * @param {string} look with the names of styles, or their ids
 * @param {Style[]} styles
 * @returns {string} the look's id
 */
function idOf(look, styles) {
  return mapParts(look, (part) => {
    const mood = parseMood(part);
    const wanted = mood?.style ?? part;
    const style = styles.find(({ id, name }) => isNamed(wanted, id, name))?.id ?? wanted;
    return mood ? moodId({ ...mood, style }) : style;
  });
}

/** @returns {Promise<Style[]>} */
async function fetchStyles() {
  const response = await fetch(new URL('styles', GATEWAY), { signal: AbortSignal.timeout(HTTP_MS) });
  if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
  return response.json();
}

/**
 * Fill a container with the elements that the pipeline needs.
 * @param {HTMLElement} container
 * @returns {import('./live/pipeline.js').LiveElements}
 */
function build(container) {
  const stage = add(container, 'div');
  stage.dataset.mvstylizer = '';
  const picture = add(stage, 'div');
  const output = add(picture, 'canvas');
  const [divider, dock, video] = [add(picture, 'div'), add(stage, 'div'), add(stage, 'video')];
  divider.hidden = dock.hidden = true;
  Object.assign(video, { muted: true, playsInline: true, loop: true, ariaHidden: 'true' });
  return { video, output, picture, divider, stage, dock };
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {HTMLElement} parent
 * @param {Tag} tag
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function add(parent, tag) {
  const element = document.createElement(tag);
  parent.append(element);
  return element;
}
