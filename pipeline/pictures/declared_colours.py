"""What a file says of its colours, and pixels in sRGB by it: the strongest word counts, as PNG and AVIF rank them."""

from collections.abc import Iterator
from itertools import islice

from PIL import Image

from pipeline.pictures import file_parts
from pipeline.pictures.colour import srgb
from pipeline.pictures.header_limits import MAX_BOXES


def in_srgb(colours: Image.Image, info: dict, data: bytes) -> Image.Image:
    """RGB of L, RGB or CMYK; `info` is Pillow's of the opened file, `data` the file.

    What is said by nobody is sRGB, and so is what EXIF says: browsers do not ask it.
    """
    if (said := _cicp(data)) and srgb.known(*said):
        return srgb.by_code_points(colours, *said)
    if profile := info.get("icc_profile"):
        return srgb.by_profile(colours, profile)
    if (said := _nclx(data)) and srgb.known(*said):
        return srgb.by_code_points(colours, *said)
    if info.get("gamma") and "srgb" not in info:
        return srgb.by_gamma(colours, info["gamma"], info.get("chromaticity"))
    return colours.convert("RGB")


def _cicp(data: bytes) -> tuple[int, int] | None:
    """A PNG's primaries and transfer by number."""
    if not data.startswith(file_parts.PNG):
        return None
    for name, length, place in file_parts.png_chunks(data):
        if name == b"cICP" and length == 4:
            return data[place], data[place + 1]
        if name == b"IDAT":
            break
    return None


def _nclx(data: bytes) -> tuple[int, int] | None:
    """An AVIF's primaries and transfer by number: of the picture itself, not of a gain map beside it."""
    if not file_parts.brands(data):
        return None
    item, properties = 0, []
    for name, body in islice(file_parts.avif_boxes(data), MAX_BOXES):
        if name == b"pitm":
            item = int.from_bytes(body[4:6] if body[:1] == b"\0" else body[4:8], "big")
        elif name == b"ipco":
            properties = [b""]  # they are counted from 1
        elif name == b"ipma":
            for index in _properties_of(item, body):
                if properties[index : index + 1] and properties[index].startswith(b"nclx"):
                    return _pair(properties[index])
        elif properties:
            properties.append(body if name == b"colr" else b"")
    return None


def _properties_of(item: int, body: bytes) -> Iterator[int]:
    """Out of the box that says which properties each item has."""
    id_bytes, wide, place = (4 if body[:1] > b"\0" else 2), body[3:4] > b"\0", 8
    while place + id_bytes < len(body):
        found, count = int.from_bytes(body[place : place + id_bytes], "big"), body[place + id_bytes]
        place += id_bytes + 1
        for _ in range(count):
            index = int.from_bytes(body[place : place + 1 + wide], "big") & (0x7FFF if wide else 0x7F)
            place += 1 + wide
            if found == item:
                yield index


def _pair(nclx: bytes) -> tuple[int, int]:
    return int.from_bytes(nclx[4:6], "big"), int.from_bytes(nclx[6:8], "big")
