/** Pictures that can be drawn, and the canvases that they are drawn on. */

/** @typedef {HTMLVideoElement|HTMLCanvasElement|OffscreenCanvas} FrameSource */

/**
 * A picture to draw: the upper left part of its source that is width x height pixels large.
 * @typedef {{source: FrameSource, width: number, height: number}} Frame
 */

/**
 * The pixels of a picture, row by row: red, green, blue and alpha of each, 0..255. An ImageData is one.
 * @typedef {{data: ArrayLike<number>, width: number, height: number}} Pixels
 */

/**
 * The context of a canvas that was not given to WebGL.
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 * @returns {CanvasRenderingContext2D}
 * @throws {TypeError} if the browser is out of memory for pictures
 */
export function context2d(canvas, settings) {
  const context = canvas.getContext('2d', settings);
  if (!context) throw new TypeError('The browser gives no 2D canvas.');
  return context;
}
