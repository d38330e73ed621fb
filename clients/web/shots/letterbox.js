/** Fits a picture into a frame of another shape: it is shown whole, in the middle, and as large as possible. */

/** @typedef {{width: number, height: number}} Size in pixels */

/**
 * @param {Size} picture
 * @param {Size} frame
 * @returns {{left: number, top: number, width: number, height: number}} in the frame's pixels
 */
export function letterbox(picture, frame) {
  const scale = Math.min(frame.width / picture.width, frame.height / picture.height);
  const [width, height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
  return {
    left: Math.round((frame.width - width) / 2), top: Math.round((frame.height - height) / 2), width, height,
  };
}
