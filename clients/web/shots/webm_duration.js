/**
 * Writes into a WebM file how long it is. Browsers leave that out of recordings, because they write the beginning first,
 * and players then show no length and cannot seek. The format is EBML (RFC 8794) with the elements of RFC 9559.
 */

const [SEGMENT, INFO, DURATION, TIMESTAMP_SCALE] = [0x18538067, 0x1549a966, 0x4489, 0x2ad7b1];
/** Nanoseconds of a timestamp's unit, unless the file names others. */
const DEFAULT_SCALE_NS = 1_000_000;
/** The beginning that is read; browsers have the element within the first 100 bytes. */
const HEAD_BYTES = 4096;

/**
 * An element's place in a file: its content is at `from` to `end`.
 * @typedef {{id: number, sizeAt: number, from: number, end: number}} Element
 */

/**
 * @param {Blob} video
 * @param {number} ms its length
 * @returns {Promise<Blob>} the same with its length; the video itself if it is no WebM file of the usual form
 */
export async function withDuration(video, ms) {
  if (!video.type.startsWith('video/webm')) return video;
  const head = new Uint8Array(await video.slice(0, HEAD_BYTES).arrayBuffer());
  const changed = headWithDuration(head, ms);
  return changed ? new Blob([changed, video.slice(head.length)], { type: video.type }) : video;
}

/**
 * @param {Uint8Array<ArrayBuffer>} head a WebM file's beginning
 * @param {number} ms
 * @returns {Uint8Array<ArrayBuffer>|null} the beginning of the file with its length; null if it is not as expected
 */
export function headWithDuration(head, ms) {
  const segment = find(head, SEGMENT, 0, head.length);
  const info = segment && find(head, INFO, segment.from, head.length);
  if (!info || info.end > head.length) return null;
  const scale = find(head, TIMESTAMP_SCALE, info.from, info.end);
  const scaleNs = scale ? unsigned(head, scale.from, scale.end) : DEFAULT_SCALE_NS;
  const duration = new Uint8Array(11); // the id, a size of 8 bytes, and a number of them
  duration.set([0x44, 0x89, 0x88]);
  new DataView(duration.buffer).setFloat64(3, (ms * 1e6) / scaleNs);
  const old = find(head, DURATION, info.from, info.end);
  if (old) return old.end - old.from === 8 ? spliced(head, old.from, old.end, duration.subarray(3)) : null;
  const content = spliced(head.slice(info.from, info.end), 0, 0, duration);
  return spliced(head, info.sizeAt, info.end, new Uint8Array([...size(content.length), ...content]));
}

/**
 * The first element with this id among those that follow each other from `at` on.
 * @param {Uint8Array} bytes
 * @param {number} wanted an id
 * @param {number} at
 * @param {number} end
 * @returns {Element|null}
 */
function find(bytes, wanted, at, end) {
  while (at < end) {
    const idLength = Math.clz32(bytes[at]) - 23;
    const sizeAt = at + idLength;
    const sizeLength = Math.clz32(bytes[sizeAt] ?? 0) - 23;
    const from = sizeAt + sizeLength;
    if (idLength > 4 || sizeLength > 8 || from > bytes.length) return null;
    const id = unsigned(bytes, at, sizeAt);
    const first = bytes[sizeAt] & (0xff >> sizeLength); // without the bit that tells how long this number is
    const length = first * 256 ** (sizeLength - 1) + unsigned(bytes, sizeAt + 1, from);
    if (id === wanted) return { id, sizeAt, from, end: from + length };
    at = from + length;
  }
  return null;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} from
 * @param {number} end
 * @returns {number} the big-endian number in these bytes
 */
function unsigned(bytes, from, end) {
  return bytes.subarray(from, end).reduce((value, byte) => value * 256 + byte, 0);
}

/**
 * @param {number} length of an element's content, below 2^28
 * @returns {number[]} the same as EBML writes it, in four bytes
 */
function size(length) {
  return [0x10 | (length >>> 24), (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff];
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {number} from
 * @param {number} end
 * @param {Uint8Array} instead of the bytes between these places
 * @returns {Uint8Array<ArrayBuffer>}
 */
function spliced(bytes, from, end, instead) {
  return new Uint8Array([...bytes.subarray(0, from), ...instead, ...bytes.subarray(end)]);
}
