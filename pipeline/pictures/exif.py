"""Adapts a photo's EXIF for a picture that is made from the photo.

Every byte stays at its offset, since makers' notes refer to their data by offsets that we cannot know.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

PREFIX = b"Exif\0\0"
ORIENTATION, EXIF_IFD, INTEROPERABILITY_IFD = 0x0112, 0x8769, 0xA005
COLOUR_SPACE, WIDTH, HEIGHT, INTEROPERABILITY = 0xA001, 0xA002, 0xA003, 0x0001
THUMBNAIL_OFFSET, THUMBNAIL_BYTES = 0x0201, 0x0202
SRGB, UPRIGHT = 1, 1
SHORT, LONG = 3, 4


@dataclass(frozen=True, slots=True)
class _Tiff:
    """The bytes of an EXIF block and their byte order ("<" or ">"). Numbers beyond the end read as 0."""

    data: bytearray
    order: str

    def number(self, offset: int, letter: str) -> int:
        size = struct.calcsize(self.order + letter)
        part = self.data[offset : offset + size]
        return struct.unpack(self.order + letter, part)[0] if len(part) == size else 0

    def entries(self, offset: int) -> Iterator[tuple[int, int]]:
        """Yield each tag of the directory at `offset`, with the offset of the tag's entry."""
        for entry in range(offset + 2, offset + 2 + 12 * self.number(offset, "H"), 12):
            if entry + 12 <= len(self.data):
                yield self.number(entry, "H"), entry

    def value(self, entry: int) -> int:
        return self.number(entry + 8, "H" if self.number(entry + 2, "H") == SHORT else "L")

    def set_value(self, entry: int, value: int) -> None:
        kind = self.number(entry + 2, "H")
        if kind == LONG or (kind == SHORT and value < 1 << 16):
            struct.pack_into(self.order + ("L" if kind == LONG else "H"), self.data, entry + 8, value)


def of_copy(exif: bytes, size: tuple[int, int]) -> bytes:
    """Return `exif`, with or without its prefix, as it holds for an upright sRGB copy of size (width, height).

    The thumbnail is removed, since it shows the original. Returns b"" if `exif` is not an EXIF block.
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
    """Correct what a directory, and those directories in it whose tags are in `below`, say of pixels and colours."""
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
    start = values.get(THUMBNAIL_OFFSET, 0)
    end = min(len(tiff.data), start + values.get(THUMBNAIL_BYTES, 0))
    if tiff.data[start : start + 2] == b"\xff\xd8":
        tiff.data[start:end] = bytes(end - start)
    struct.pack_into(tiff.order + "L", tiff.data, link, 0)
