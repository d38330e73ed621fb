/** Joins the chunks of the "frames" channel, which arrive in any order, into whole messages. */

const HEADER_BYTES = 8;
const MAX_PAYLOAD_BYTES = 16 * 1024;
const MAX_CHUNKS = 64;
/** Grids come a few a second, so more than a handful at once means lost tails. */
const MAX_PARTIAL = 8;

export class ChunkAssembler {
  /** @type {Map<number, {parts: (Uint8Array|undefined)[], missing: number}>} oldest first */
  #partial = new Map();

  /** Messages given up before they were whole. */
  dropped = 0;
  /** Chunks that broke the rules. */
  malformed = 0;

  /**
   * Take one chunk.
   * @param {ArrayBuffer} chunk big-endian u32 message, u16 index, u16 total, then the payload
   * @returns {Uint8Array|null} the joined payload when this chunk was the last one missing
   */
  add(chunk) {
    const parsed = parseChunk(chunk);
    if (!parsed) return this.#refuse();
    const message = this.#partial.get(parsed.message) ?? this.#begin(parsed);
    if (message.parts.length !== parsed.total || message.parts[parsed.index]) return this.#refuse();

    message.parts[parsed.index] = parsed.payload;
    message.missing -= 1;
    if (message.missing) return null;
    this.#partial.delete(parsed.message);
    return join(message.parts);
  }

  #begin({ message, total }) {
    if (this.#partial.size === MAX_PARTIAL) {
      this.#partial.delete(this.#partial.keys().next().value);
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

function parseChunk(chunk) {
  if (!(chunk instanceof ArrayBuffer) || chunk.byteLength <= HEADER_BYTES) return null;
  if (chunk.byteLength > HEADER_BYTES + MAX_PAYLOAD_BYTES) return null;
  const view = new DataView(chunk);
  const [message, index, total] = [view.getUint32(0), view.getUint16(4), view.getUint16(6)];
  if (index >= total || total > MAX_CHUNKS) return null;
  return { message, index, total, payload: new Uint8Array(chunk, HEADER_BYTES) };
}

function join(parts) {
  const joined = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
