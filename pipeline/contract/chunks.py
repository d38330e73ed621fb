"""The frames channel: a stylized frame travels as a JSON header and a body, cut into chunks and joined again.

Payload: u32 header length, JSON header, packed grid. Chunk: u32 message, u16 index, u16 total, at most CHUNK_BYTES of
payload. All big-endian; the page's twins are clients/web/net/chunks.js and messages.js.
"""

import json
import struct

from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import MAX_FRAME_ID, PreviewGrids, StylizedFrame
from pipeline.contract.strict_json import read_object

#: This is below every browser's message limit, and control messages get through between two chunks.
CHUNK_BYTES = 16 * 1024
MAX_CHUNKS = 64
MAX_PARTIAL = 8
#: Our own headers have about 150 bytes.
MAX_HEADER_BYTES = 4096
_CHUNK = struct.Struct(">IHH")
_LENGTH = struct.Struct(">I")


def to_chunks(message: int, frame: StylizedFrame) -> list[bytes]:
    """Return the chunks of a stylized frame. `message` is its number among the messages of its channel."""
    header = {
        "frame_id": frame.frame_id,
        "style_id": frame.style_id,
        "model_version": frame.model_version,
        "edge_id": frame.edge_id,
        "cut": frame.cut,
        "grid": frame.grid_shape,
    }
    return _cut(message, header, frame.grid)


def to_preview_chunks(message: int, previews: PreviewGrids) -> list[bytes]:
    """Return the chunks of previews. `message` is their number among the messages of their channel."""
    header = {"frame_id": previews.frame_id, "previews": previews.styles, "grid": previews.grid_shape}
    return _cut(message, header, previews.grids)


def _cut(message: int, header: dict, body: bytes) -> list[bytes]:
    text = json.dumps(header, separators=(",", ":")).encode()
    payload = _LENGTH.pack(len(text)) + text + body
    total = -(-len(payload) // CHUNK_BYTES)
    return [
        _CHUNK.pack(message & 0xFFFFFFFF, i, total) + payload[i * CHUNK_BYTES : (i + 1) * CHUNK_BYTES]
        for i in range(total)
    ]


class ChunkAssembler:
    """Joins chunks that arrive in any order. Of more than MAX_PARTIAL incomplete messages, the oldest is dropped."""

    def __init__(self) -> None:
        self.dropped = 0
        self._partial: dict[int, list[bytes | None]] = {}

    def push(self, chunk: bytes) -> tuple[dict, bytes] | None:
        """Take a chunk; return the (header, body) that it completes, or None. Raises BadMessage if it is invalid."""
        if not _CHUNK.size < len(chunk) <= _CHUNK.size + CHUNK_BYTES:
            raise BadMessage(f"A chunk of {len(chunk)} bytes.")
        message, index, total = _CHUNK.unpack_from(chunk)
        if not index < total <= MAX_CHUNKS:
            raise BadMessage(f"Chunk {index} of {total}.")
        parts = self._partial.get(message) or self._begin(message, total)
        if len(parts) != total or parts[index] is not None:
            raise BadMessage(f"Chunk {index} of {total} is there already, or its message has another number of them.")
        parts[index] = chunk[_CHUNK.size :]
        arrived = [part for part in parts if part is not None]
        if len(arrived) < total:
            return None
        del self._partial[message]
        return _split(b"".join(arrived))

    def _begin(self, message: int, total: int) -> list[bytes | None]:
        if len(self._partial) == MAX_PARTIAL:
            del self._partial[next(iter(self._partial))]
            self.dropped += 1
        return self._partial.setdefault(message, [None] * total)


def _split(payload: bytes) -> tuple[dict, bytes]:
    try:
        (length,) = _LENGTH.unpack_from(payload)
        text, body = payload[_LENGTH.size :][:length], payload[_LENGTH.size :][length:]
        header = read_object(text.decode() if length <= MAX_HEADER_BYTES else "")
    except (struct.error, UnicodeError, BadMessage):
        raise BadMessage("A stylized frame without a readable header.") from None
    if len(text) < length:
        raise BadMessage("A stylized frame whose header is cut short.")
    if type(frame_id := header.get("frame_id")) is not int or not 0 <= frame_id <= MAX_FRAME_ID:
        raise BadMessage("A stylized frame that does not name the frame that it answers.")
    return header, body
