/** Finds small patches of one picture in another, by inverse-compositional Gauss-Newton steps on the differences. */

import { clamp } from './planes.js';

/** A patch's side, in pixels. */
export const PATCH = 8;

const AREA = PATCH * PATCH;
const MAX_STEPS = 8;
/** If the determinant of a patch's Hessian is smaller than this, its texture does not tell where it lies. */
const FLAT = 100;

/**
 * A displacement, and the result of comparing the patch there.
 * @typedef {object} Match
 * @property {number} u to the right, in pixels
 * @property {number} v down, in pixels
 * @property {number} cost the sum of squared differences, after their mean is subtracted
 * @property {number} slopeX the sum of differences times horizontal gradients
 * @property {number} slopeY the sum of differences times vertical gradients
 */

/** A match that is worse than any other. */
const NO_MATCH = { u: 0, v: 0, cost: Infinity, slopeX: 0, slopeY: 0 };

export class PatchSearch {
  #from;
  #to;
  #left = 0;
  #top = 0;
  #pixels = new Float32Array(AREA);
  #gx = new Float32Array(AREA);
  #gy = new Float32Array(AREA);
  #hessian = [0, 0, 0];
  #differences = new Float32Array(AREA);
  /** The slopes of the last comparison, as in Match. */
  #slopeX = 0;
  #slopeY = 0;

  /**
   * @param {import('./planes.js').Plane} from the picture that patches are taken from
   * @param {import('./planes.js').Plane} to the picture in which they are searched for, padded by PATCH
   */
  constructor(from, to) {
    this.#from = from;
    this.#to = to;
  }

  /**
   * Take a patch. The mean of its gradients is subtracted, so that a change of brightness is not taken for motion.
   * @param {number} left
   * @param {number} top
   */
  take(left, top) {
    this.#left = left;
    this.#top = top;
    const { width, height, pixels } = this.#from;
    let [meanX, meanY] = [0, 0];
    for (let k = 0; k < AREA; k++) {
      const x = left + (k % PATCH);
      const y = top + Math.floor(k / PATCH);
      const i = y * width + x;
      this.#pixels[k] = pixels[i];
      this.#gx[k] = (pixels[x < width - 1 ? i + 1 : i] - pixels[x > 0 ? i - 1 : i]) / 2;
      this.#gy[k] = (pixels[y < height - 1 ? i + width : i] - pixels[y > 0 ? i - width : i]) / 2;
      meanX += this.#gx[k] / AREA;
      meanY += this.#gy[k] / AREA;
    }
    let [xx, xy, yy] = [0, 0, 0];
    for (let k = 0; k < AREA; k++) {
      const gx = (this.#gx[k] -= meanX);
      const gy = (this.#gy[k] -= meanY);
      xx += gx * gx;
      xy += gx * gy;
      yy += gy * gy;
    }
    this.#hessian = [xx, xy, yy];
  }

  /**
   * Search from the best guess on, as long as steps help and stay within one patch of the guess.
   * @param {[number, number][]} guesses displacements to the right and down, in pixels
   * @returns {{u: number, v: number}} the patch's displacement
   */
  find(guesses) {
    const [xx, xy, yy] = this.#hessian;
    const determinant = xx * yy - xy * xy;
    /** @type {Match} */
    let best = NO_MATCH;
    for (const [u, v] of guesses) best = this.#better(u, v, best);
    const [guessU, guessV] = [best.u, best.v];
    for (let step = 0; step < MAX_STEPS && determinant > FLAT; step++) {
      const u = best.u - (yy * best.slopeX - xy * best.slopeY) / determinant;
      const v = best.v - (xx * best.slopeY - xy * best.slopeX) / determinant;
      if (Math.abs(u - guessU) > PATCH || Math.abs(v - guessV) > PATCH) break;
      const next = this.#better(u, v, best);
      if (next === best) break;
      best = next;
    }
    return best;
  }

  /**
   * Add the patch's displacement to the sums of its pixels, with less weight for pixels that do not match.
   * @param {{u: number, v: number}} displacement
   * @param {Float32Array} us weighted sums of displacements, for each pixel of the picture
   * @param {Float32Array} vs
   * @param {Float32Array} weights
   */
  spread({ u, v }, us, vs, weights) {
    this.#compare(u, v);
    for (let y = 0, k = 0; y < PATCH; y++) {
      const row = (this.#top + y) * this.#from.width + this.#left;
      for (let i = row; i < row + PATCH; i++, k++) {
        const difference = this.#differences[k];
        const weight = difference > 1 ? 1 / difference : difference < -1 ? -1 / difference : 1;
        us[i] += weight * u;
        vs[i] += weight * v;
        weights[i] += weight;
      }
    }
  }

  /**
   * @param {number} u
   * @param {number} v
   * @param {Match} best
   * @returns {Match} the displacement (u, v) if it matches better, or else `best` itself
   */
  #better(u, v, best) {
    const cost = this.#compare(u, v);
    return cost < best.cost ? { u, v, cost, slopeX: this.#slopeX, slopeY: this.#slopeY } : best;
  }

  /**
   * Compare the patch with the other picture. Almost all of the flow's time is spent here, so it allocates nothing.
   * @param {number} u
   * @param {number} v
   * @returns {number} the cost, as in Match
   */
  #compare(u, v) {
    const { width, height, pixels } = this.#to;
    const [own, gx, gy, differences] = [this.#pixels, this.#gx, this.#gy, this.#differences];
    const x = clamp(this.#left + PATCH + u, 0, width - PATCH - 2);
    const y = clamp(this.#top + PATCH + v, 0, height - PATCH - 2);
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [right, down] = [x - left, y - top];
    let [sum, squares, slopeX, slopeY] = [0, 0, 0, 0];
    for (let row = 0, k = 0; row < PATCH; row++) {
      let i = (top + row) * width + left;
      let before = pixels[i] + down * (pixels[i + width] - pixels[i]);
      for (let column = 0; column < PATCH; column++, k++) {
        i++;
        const after = pixels[i] + down * (pixels[i + width] - pixels[i]);
        const difference = before + right * (after - before) - own[k];
        before = after;
        differences[k] = difference;
        sum += difference;
        squares += difference * difference;
        slopeX += gx[k] * difference;
        slopeY += gy[k] * difference;
      }
    }
    this.#slopeX = slopeX;
    this.#slopeY = slopeY;
    return squares - (sum * sum) / AREA;
  }
}
