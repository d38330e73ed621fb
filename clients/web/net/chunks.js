/** Joins the chunks of the "frames" channel, which arrive in any order, into whole messages. */

const CHUNK_HEADER_BYTES = 8;
const CHUNK_BYTES = 16 * 1024;
const MAX_CHUNKS = 64;
/** A few grids come each second. If more than this many are incomplete at once, chunks were lost. */
const MAX_PARTIAL = 8;

/** @typedef {{message: number, index: number, total: number, payload: Uint8Array<ArrayBuffer>}} Chunk */
/** @typedef {{parts: (Uint8Array|undefined)[], missing: number}} PartialMessage */

export class ChunkAssembler {
  /** @type {Map<number, PartialMessage>} by message number, oldest first */
  #partial = new Map();

  /** How many messages were given up while chunks were missing. */
  dropped = 0;
  /** How many chunks did not fit the contract. */
  malformed = 0;

  /**
   * Take one chunk.
   * @param {unknown} chunk an ArrayBuffer of u32 message, u16 index, u16 total (all big-endian), then the payload
   * @returns {Uint8Array<ArrayBuffer>|null} the joined payload if this chunk was the last one missing
   */
  push(chunk) {
    const parsed = parseChunk(chunk);
    if (!parsed) return this.#refuse();
    const message = this.#partial.get(parsed.message) ?? this.#begin(parsed);
    if (message.parts.length !== parsed.total || message.parts[parsed.index]) return this.#refuse();

    message.parts[parsed.index] = parsed.payload;
    message.missing -= 1;
    if (message.missing) return null;
    this.#partial.delete(parsed.message);
    return join(/** @type {Uint8Array[]} */ (message.parts));
  }

  /**
   * Begin a new message, and give up the oldest one if there are too many.
   * @param {Chunk} chunk
   * @returns {PartialMessage}
   */
  #begin({ message, total }) {
    if (this.#partial.size === MAX_PARTIAL) {
      const [oldest] = this.#partial.keys();
      this.#partial.delete(oldest);
      this.dropped += 1;
    }
    const begun = { parts: new Array(total), missing: total };
    this.#partial.set(message, begun);
    return begun;
  }

  #refuse() {
    this.malformed += 1;
    return null;
  }
}

/**
 * @param {unknown} chunk
 * @returns {Chunk|null} null if it does not fit the contract
 */
function parseChunk(chunk) {
  if (!(chunk instanceof ArrayBuffer) || chunk.byteLength <= CHUNK_HEADER_BYTES) return null;
  if (chunk.byteLength > CHUNK_HEADER_BYTES + CHUNK_BYTES) return null;
  const view = new DataView(chunk);
  const [message, index, total] = [view.getUint32(0), view.getUint16(4), view.getUint16(6)];
  if (index >= total || total > MAX_CHUNKS) return null;
  return { message, index, total, payload: new Uint8Array(chunk, CHUNK_HEADER_BYTES) };
}

/**
 * @param {Uint8Array[]} parts
 * @returns {Uint8Array<ArrayBuffer>}
 */
function join(parts) {
  const joined = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
