"""How picture files are cut: segments of a JPEG, chunks of a PNG and a WebP, boxes of an AVIF. Nothing is inflated."""

import re
import struct
from collections.abc import Iterator

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
APP1, APP13, COM, SOS, EOI = 0xE1, 0xED, 0xFE, 0xDA, 0xD9
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # 00 and restarts belong to a scan's own data
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length
#: AVIF's boxes that hold others, and how many bytes stand before these.
_HOLDERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0}
_MAX_DEPTH = 4


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment up to the picture's end; a scan's own data is passed over."""
    place = 2
    while found := _NEXT_MARKER.search(data, place):
        marker, place = data[found.start() + 1], found.end()
        if marker == EOI:
            return
        if marker in _ALONE:
            yield marker, b""
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        yield marker, data[place + 2 : place + length]
        place += max(2, length)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, length and place of each chunk's body."""
    place = 8
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], length, place + 8
        place += 12 + length


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, length and place of each chunk's body."""
    place = 12
    while place + 8 <= len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], length, place + 8
        place += 8 + length + length % 2


def is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def brands(data: bytes) -> set[bytes]:
    """Of a file of boxes, what it is and what else it may be taken for; of any other file, none."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}


def avif_boxes(data: bytes, start: int = 0, end: int | None = None, depth: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each box, those in others included; a box of pixels is passed over."""
    place, end = start, len(data) if end is None else end
    while place + 8 <= end:
        length, name = struct.unpack(">I4s", data[place : place + 8])
        head = 8
        if length == 1 and place + 16 <= end:
            length, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        stop = min(end, place + length) if length else end
        if name in _HOLDERS and depth < _MAX_DEPTH:
            yield name, b""
            yield from avif_boxes(data, place + head + _HOLDERS[name], stop, depth + 1)
        else:
            yield name, data[place + head : stop] if name != b"mdat" else b""
        place = max(stop, place + head)
