/** Reads the pixels of frames in a small size, which is all that flow and scene cuts need. */

import { context2d } from '../basics/canvas.js';
import { FLOW_SIDE, fitted } from './estimator.js';

export class SmallFrame {
  #context;

  /** @param {boolean} onCpu whether to scale on the CPU, as SentPicture does */
  constructor(onCpu) {
    this.#context = context2d(document.createElement('canvas'), { alpha: false, willReadFrequently: onCpu });
  }

  /**
   * @param {import('../basics/canvas.js').Frame} frame
   * @returns {ImageData} at most FLOW_SIDE long
   */
  read({ source, width, height }) {
    const { canvas } = this.#context;
    const [smallWidth, smallHeight] = fitted(width, height, FLOW_SIDE);
    if (canvas.width !== smallWidth || canvas.height !== smallHeight) {
      Object.assign(canvas, { width: smallWidth, height: smallHeight });
    }
    this.#context.drawImage(source, 0, 0, width, height, 0, 0, smallWidth, smallHeight);
    return this.#context.getImageData(0, 0, smallWidth, smallHeight);
  }
}
