"""A photo's EXIF for what is made of it: every byte stays at its place, so that makers' notes still find theirs."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

PREFIX = b"Exif\0\0"
ORIENTATION, EXIF_IFD, INTEROPERABILITY_IFD = 0x0112, 0x8769, 0xA005
COLOUR_SPACE, WIDTH, HEIGHT, INTEROPERABILITY = 0xA001, 0xA002, 0xA003, 0x0001
THUMBNAIL_PLACE, THUMBNAIL_BYTES = 0x0201, 0x0202
SRGB, UPRIGHT = 1, 1
SHORT, LONG = 3, 4


@dataclass(frozen=True, slots=True)
class _Tiff:
    """EXIF's bytes, and how numbers stand in them. Places beyond the end read as 0 and hold nothing."""

    data: bytearray
    order: str

    def number(self, place: int, letter: str) -> int:
        size = struct.calcsize(self.order + letter)
        part = self.data[place : place + size]
        return struct.unpack(self.order + letter, part)[0] if len(part) == size else 0

    def entries(self, place: int) -> Iterator[tuple[int, int]]:
        """Each tag of a directory, and the place of its entry."""
        for at in range(place + 2, place + 2 + 12 * self.number(place, "H"), 12):
            if at + 12 <= len(self.data):
                yield self.number(at, "H"), at

    def value(self, entry: int) -> int:
        return self.number(entry + 8, "H" if self.number(entry + 2, "H") == SHORT else "L")

    def set_value(self, entry: int, value: int) -> None:
        kind = self.number(entry + 2, "H")
        if kind == LONG or (kind == SHORT and value < 1 << 16):
            struct.pack_into(self.order + ("L" if kind == LONG else "H"), self.data, entry + 8, value)


def of_copy(exif: bytes, size: tuple[int, int]) -> bytes:
    """EXIF, with or without its prefix, of an upright sRGB picture of size (width, height); b"" if it is none.

    Its thumbnail goes, for it shows another picture.
    """
    body = bytearray(exif.removeprefix(PREFIX))
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(body[:4]))
    if order is None:
        return b""
    tiff = _Tiff(body, order)
    first = tiff.number(4, "L")
    if not any(tiff.entries(first)):
        return b""
    _drop_thumbnail(tiff, first)
    _correct(tiff, first, size, {EXIF_IFD, INTEROPERABILITY_IFD})
    return PREFIX + bytes(body)


def _correct(tiff: _Tiff, directory: int, size: tuple[int, int], below: set[int]) -> None:
    """What a directory says of pixels and colours, and the directories `below` it."""
    right = {ORIENTATION: UPRIGHT, COLOUR_SPACE: SRGB, WIDTH: size[0], HEIGHT: size[1]}
    for tag, entry in tiff.entries(directory):
        if tag in below:
            _correct(tiff, tiff.value(entry), size, below - {tag})
        elif tag in right:
            tiff.set_value(entry, right[tag])
        elif tag == INTEROPERABILITY and tiff.data[entry + 8 : entry + 12] == b"R03\0":  # Adobe RGB
            tiff.data[entry + 8 : entry + 12] = b"R98\0"


def _drop_thumbnail(tiff: _Tiff, first: int) -> None:
    link = first + 2 + 12 * tiff.number(first, "H")
    second = tiff.number(link, "L")
    if not second:
        return
    values = {tag: tiff.value(entry) for tag, entry in tiff.entries(second)}
    start = values.get(THUMBNAIL_PLACE, 0)
    end = min(len(tiff.data), start + values.get(THUMBNAIL_BYTES, 0))
    if tiff.data[start : start + 2] == b"\xff\xd8":
        tiff.data[start:end] = bytes(end - start)
    struct.pack_into(tiff.order + "L", tiff.data, link, 0)
