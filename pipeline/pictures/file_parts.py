"""Splits picture files into parts: segments of JPEG, chunks of PNG and WebP, boxes of AVIF. It decompresses nothing."""

import re
import struct
from collections.abc import Iterator

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
APP1, APP13, SOS, EOI = 0xE1, 0xED, 0xDA, 0xD9
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # 00 and restart markers belong to the data of a scan
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # these markers have no length and no body
#: The AVIF boxes that contain other boxes, and how many bytes come before the first of those.
_HOLDERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0}
_MAX_DEPTH = 4


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment up to the end of the first picture, without the data of scans."""
    offset = 2
    while found := _NEXT_MARKER.search(data, offset):
        marker, offset = data[found.start() + 1], found.end()
        if marker == EOI:
            return
        if marker in _ALONE:
            yield marker, b""
            continue
        length = int.from_bytes(data[offset : offset + 2], "big")
        yield marker, data[offset + 2 : offset + length]
        offset += max(2, length)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each chunk, and the length and offset of its body."""
    offset = 8
    while offset + 8 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        yield data[offset + 4 : offset + 8], length, offset + 8
        offset += 12 + length


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each chunk, and the length and offset of its body."""
    offset = 12
    while offset + 8 <= len(data):
        length = int.from_bytes(data[offset + 4 : offset + 8], "little")
        yield data[offset : offset + 4], length, offset + 8
        offset += 8 + length + length % 2


def is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def brands(data: bytes) -> set[bytes]:
    """Return the major and compatible brands of a file that consists of boxes; any other file has none."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return {data[8:12], *(data[offset : offset + 4] for offset in range(16, end - 3, 4))}


def avif_boxes(data: bytes, start: int = 0, end: int | None = None, depth: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and body of each box, and of the boxes inside it. Boxes of pixels and boxes of boxes have body b""."""
    offset, end = start, len(data) if end is None else end
    while offset + 8 <= end:
        length, name = struct.unpack(">I4s", data[offset : offset + 8])
        head = 8
        if length == 1 and offset + 16 <= end:
            length, head = int.from_bytes(data[offset + 8 : offset + 16], "big"), 16
        stop = min(end, offset + length) if length else end
        if name in _HOLDERS and depth < _MAX_DEPTH:
            yield name, b""
            yield from avif_boxes(data, offset + head + _HOLDERS[name], stop, depth + 1)
        else:
            yield name, data[offset + head : stop] if name != b"mdat" else b""
        offset = max(stop, offset + head)
