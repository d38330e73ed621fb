/** Decides how a recording is written: its type, its size and its bit rate. */

/** @typedef {import('./letterbox.js').Size} Size */

/** Larger pictures are scaled down to this many pixels: encoders of phones keep pace with 1080p. */
const MAX_PIXELS = 1920 * 1080;
/** 8 Mb/s for 1080p at 30 frames a second, as phones record; less for smaller pictures, down to 2 Mb/s. */
const [BITS_PER_PIXEL, MIN_BITS_PER_S] = [3.9, 2_000_000];

/**
 * H.264 in its profiles, best first. Level 4.0 is 1080p at 30 frames a second. An MP4 must hold H.264, which everything
 * plays: browsers that are asked for any MP4 put VP9 in it, which many players refuse.
 */
const H264 = ['avc1.640028', 'avc1.4D0028', 'avc1.42E028', 'avc1.42E01E'];
/** Containers with their codecs of video and sound, best first. */
const FORMATS = [
  ...H264.map((video) => ['video/mp4', video, 'mp4a.40.2']),
  ...H264.map((video) => ['video/mp4', video, 'opus']),
  ['video/webm', 'vp9', 'opus'],
  ['video/webm', 'vp8', 'opus'],
];

/**
 * The best type of recording that a browser can write.
 * @param {(type: string) => boolean} isSupported as MediaRecorder.isTypeSupported
 * @param {boolean} hasSound
 * @returns {string|undefined} a MIME type with codecs; undefined if it can write none of them
 */
export function recordingType(isSupported, hasSound) {
  return FORMATS.map(([container, video, sound]) => `${container};codecs=${hasSound ? `${video},${sound}` : video}`)
    .find((type) => isSupported(type));
}

/**
 * The size of a recording that begins with a picture of this size. Encoders want even sides.
 * @param {Size} picture
 * @returns {Size}
 */
export function recordingSize({ width, height }) {
  const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (width * height)));
  const [across, down] = [width, height].map((side) => Math.max(2, 2 * Math.round((side * scale) / 2)));
  return { width: across, height: down };
}

/**
 * @param {Size} size of a recording
 * @returns {number} bits a second for its video
 */
export function bitsPerS({ width, height }) {
  return Math.max(MIN_BITS_PER_S, Math.round(BITS_PER_PIXEL * width * height));
}

/**
 * @param {string} type a MIME type, perhaps with codecs
 * @returns {string} the file name's extension for this type
 */
export function extensionOf(type) {
  return type.split(';')[0].split('/')[1].replace('jpeg', 'jpg');
}
