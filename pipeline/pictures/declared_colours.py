"""Converts decoded pixels to sRGB by the colour space that their file declares.

A file may declare its colours in several ways. They are tried in the order of precedence of the PNG and AVIF standards.
"""

from collections.abc import Iterator
from itertools import islice

from PIL import Image

from pipeline.pictures import file_parts
from pipeline.pictures.colour import srgb
from pipeline.pictures.header_limits import MAX_BOXES


def in_srgb(colours: Image.Image, info: dict, data: bytes) -> Image.Image:
    """Return `colours`, an image of mode L, RGB or CMYK, as an RGB image in sRGB.

    `info` is the `info` of the image that Pillow opened, and `data` is the whole file. Pixels without a declared colour
    space are taken as sRGB. The colour space in EXIF is ignored, as browsers ignore it.
    """
    if (code_points := _cicp(data)) and srgb.known(*code_points):
        return srgb.by_code_points(colours, *code_points)
    if profile := info.get("icc_profile"):
        return srgb.by_profile(colours, profile)
    if (code_points := _nclx(data)) and srgb.known(*code_points):
        return srgb.by_code_points(colours, *code_points)
    if info.get("gamma") and "srgb" not in info:
        return srgb.by_gamma(colours, info["gamma"], info.get("chromaticity"))
    return colours.convert("RGB")


def _cicp(data: bytes) -> tuple[int, int] | None:
    """Return the code points of primaries and transfer function in a PNG's cICP chunk, if it has one."""
    if not data.startswith(file_parts.PNG):
        return None
    for name, length, offset in file_parts.png_chunks(data):
        if name == b"cICP" and length == 4:
            return data[offset], data[offset + 1]
        if name == b"IDAT":
            break
    return None


def _nclx(data: bytes) -> tuple[int, int] | None:
    """Return the code points of primaries and transfer function in an AVIF's nclx box, if it has one.

    Only the primary item counts: a gain map that is stored beside the picture has colours of its own.
    """
    if not file_parts.brands(data):
        return None
    item, properties = 0, []
    for name, body in islice(file_parts.avif_boxes(data), MAX_BOXES):
        if name == b"pitm":
            item = int.from_bytes(body[4:6] if body[:1] == b"\0" else body[4:8], "big")
        elif name == b"ipco":
            properties = [b""]  # property indices start at 1
        elif name == b"ipma":
            for index in _properties_of(item, body):
                if properties[index : index + 1] and properties[index].startswith(b"nclx"):
                    return _pair(properties[index])
        elif properties:
            properties.append(body if name == b"colr" else b"")
    return None


def _properties_of(item: int, body: bytes) -> Iterator[int]:
    """Yield the property indices of `item`, given the body of an ipma box, which lists the properties of each item."""
    id_bytes, wide, offset = (4 if body[:1] > b"\0" else 2), body[3:4] > b"\0", 8
    while offset + id_bytes < len(body):
        found, count = int.from_bytes(body[offset : offset + id_bytes], "big"), body[offset + id_bytes]
        offset += id_bytes + 1
        for _ in range(count):
            index = int.from_bytes(body[offset : offset + 1 + wide], "big") & (0x7FFF if wide else 0x7F)
            offset += 1 + wide
            if found == item:
                yield index


def _pair(nclx: bytes) -> tuple[int, int]:
    return int.from_bytes(nclx[4:6], "big"), int.from_bytes(nclx[6:8], "big")
