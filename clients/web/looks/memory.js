/** Remembers what the user chose, for the next visit: looks, their strengths and moods, mixes, the camera and the mirror. */

import { pairOf } from '../net/style_mix.js';

/** The localStorage key. */
const KEY = 'mvstylizer.choices';
/** Of so many looks the strength is remembered, and the mood; the one that was changed the longest ago is forgotten. */
const MAX_KEPT = 32;
/** So many mixes are remembered. */
const MAX_MIXES = 6;
/** No honest id of a look or camera is longer. */
const MAX_ID = 256;
/** The strength of a look until the user has set it. On faces, the full strength of most looks is too much. */
const FIRST_STRENGTH = 0.6;

/** @typedef {import('../capture/cameras.js').CameraChoice} CameraChoice */

/**
 * @typedef {object} Choices
 * @property {string|null} look the id of the look that was chosen last
 * @property {[id: string, strength: number][]} strengths 0..1, the one that was changed last at the end
 * @property {[id: string, percent: number][]} moods 0..100, in the same order
 * @property {string[]} mixes the ids of the mixes in the gallery
 * @property {CameraChoice|null} camera
 * @property {boolean} mirrors whether users see themselves as in a mirror
 */

export class Memory {
  #choices = stored();

  /** @returns {string|null} the id of the look that was chosen last */
  get look() {
    return this.#choices.look;
  }

  /** @param {string|null} look */
  set look(look) {
    this.#keep({ look });
  }

  /** @returns {string[]} the ids of the mixes in the gallery */
  get mixes() {
    return this.#choices.mixes;
  }

  /** @param {string[]} mixes */
  set mixes(mixes) {
    this.#keep({ mixes: mixes.slice(-MAX_MIXES) });
  }

  /** @returns {CameraChoice|null} */
  get camera() {
    return this.#choices.camera;
  }

  /** @param {CameraChoice|null} camera */
  set camera(camera) {
    this.#keep({ camera });
  }

  /** @returns {boolean} whether users see themselves as in a mirror */
  get mirrors() {
    return this.#choices.mirrors;
  }

  /** @param {boolean} mirrors */
  set mirrors(mirrors) {
    this.#keep({ mirrors });
  }

  /**
   * @param {string} look its id
   * @returns {number} 0..1
   */
  strengthOf(look) {
    const kept = pairOf(look); // a mix keeps its strength when its share changes
    return this.#choices.strengths.find(([id]) => id === kept)?.[1] ?? FIRST_STRENGTH;
  }

  /**
   * @param {string} look its id
   * @param {number} strength 0..1
   */
  keepStrength(look, strength) {
    this.#keep({ strengths: withSetting(this.#choices.strengths, pairOf(look), strength) });
  }

  /**
   * @param {string} look its id
   * @returns {number|null} in percent; null until the user has set it
   */
  moodOf(look) {
    return this.#choices.moods.find(([id]) => id === look)?.[1] ?? null;
  }

  /**
   * @param {string} look its id
   * @param {number} percent
   */
  keepMood(look, percent) {
    this.#keep({ moods: withSetting(this.#choices.moods, look, percent) });
  }

  /** @param {Partial<Choices>} changed */
  #keep(changed) {
    this.#choices = { ...this.#choices, ...changed };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#choices));
    } catch {
      // This browser stores nothing: the choices hold until the user leaves the page.
    }
  }
}

/** @returns {Choices} what is stored, without anything that this page would not store */
function stored() {
  /** @type {any} */
  let found = null;
  try {
    found = JSON.parse(localStorage.getItem(KEY) ?? 'null');
  } catch {
    // This browser stores nothing, or holds something else under this key.
  }
  const [strengths, moods] = [settingsIn(found?.strengths, 1), settingsIn(found?.moods, 100)];
  const mixes = Array.isArray(found?.mixes) ? found.mixes.filter(isId).slice(-MAX_MIXES) : [];
  const look = isId(found?.look) ? found.look : null;
  return { look, strengths, moods, mixes, camera: cameraIn(found?.camera), mirrors: found?.mirrors !== false };
}

/**
 * @param {unknown} value
 * @returns {value is string}
 */
function isId(value) {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_ID;
}

/**
 * @param {[string, number][]} settings of looks
 * @param {string} id of a look
 * @param {number} setting the look's from now on
 * @returns {[string, number][]}
 */
function withSetting(settings, id, setting) {
  return [...settings.filter(([other]) => other !== id), /** @type {[string, number]} */ ([id, setting])].slice(-MAX_KEPT);
}

/**
 * @param {unknown} found
 * @param {number} most
 * @returns {[string, number][]} the settings of looks among it that are numbers from 0 to `most`
 */
function settingsIn(found, most) {
  const settings = Array.isArray(found) ? found.filter((each) => Array.isArray(each) && isId(each[0])) : [];
  return settings.filter(([, value]) => typeof value === 'number' && value >= 0 && value <= most).slice(-MAX_KEPT);
}

/**
 * @param {any} value
 * @returns {CameraChoice|null}
 */
function cameraIn(value) {
  if (isId(value?.id)) return { id: value.id };
  return value?.facing === 'user' || value?.facing === 'environment' ? { facing: value.facing } : null;
}
