"""Carries a picture file's metadata (EXIF, XMP, IPTC, texts and resolution) over to the file that is made from it."""

import logging
import math
import re
import struct
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, PngImagePlugin

from pipeline.pictures import exif
from pipeline.pictures.colour.srgb import SRGB_PROFILE
from pipeline.pictures.file_parts import APP13

logger = logging.getLogger(__name__)

XMP, RAW_EXIF = "XML:com.adobe.xmp", "Raw profile type exif"  # the names of PNG's text chunks for them
#: Text chunks of a PNG whose names start like this are not texts: they hold metadata, which is carried over by itself.
NO_TEXTS = ("XML:com.adobe.xmp", "Raw profile type")
PHOTOSHOP, IPTC_RECORDS = b"Photoshop 3.0\0", 0x0404
JPEG_SEGMENT_BYTES = 65_533
#: XMP properties, and the values that hold for the new file: its pixels are upright sRGB, and no film follows them.
XMP_CORRECTIONS = {
    "tiff:Orientation": b"1",
    "exif:ColorSpace": b"1",
    "photoshop:ICCProfile": b"sRGB IEC61966-2.1",
    "GCamera:MotionPhoto": b"0",
    "GCamera:MicroVideo": b"0",
}


@dataclass(frozen=True, slots=True)
class Metadata:
    exif: bytes = b""  # as the file has it
    xmp: bytes = b""
    iptc: bytes = b""  # the records only, without Photoshop's header
    comment: bytes = b""  # only JPEGs have one
    texts: dict[str, str] = field(default_factory=dict)  # only PNGs have them
    dpi: tuple[float, float] | None = None


def carried(image: Image.Image) -> Metadata:
    """Return the metadata of an opened file. Its pixels must have been read, since a PNG may have texts behind them."""
    info = image.info
    texts = {name: text for name, text in getattr(image, "text", {}).items() if not name.startswith(NO_TEXTS)}
    xmp = info.get("xmp") or info.get(XMP) or b""
    photoshop = info.get("photoshop")
    return Metadata(
        exif=info.get("exif") or _raw_exif(info.get(RAW_EXIF, "")),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        iptc=photoshop.get(IPTC_RECORDS, b"") if isinstance(photoshop, dict) else b"",
        comment=info.get("comment", b"") if image.format in ("JPEG", "MPO") else b"",
        texts=texts,
        dpi=_plausible(info.get("dpi")),
    )


def options(metadata: Metadata, kind: str, size: tuple[int, int]) -> dict[str, Any]:
    """Return Pillow's options to save an upright sRGB picture of size (width, height) with this metadata.

    `kind` is JPEG, PNG or WEBP. Metadata that the format has no room for is left out: only JPEG has IPTC and comments,
    only PNG has texts, and WebP has no resolution.
    """
    of_copy, xmp = exif.of_copy(metadata.exif, size), _corrected(metadata.xmp)
    found: dict[str, Any] = {"dpi": metadata.dpi} if metadata.dpi else {}
    if kind == "PNG":
        return found | {"exif": of_copy, "pnginfo": _chunks(metadata, xmp)}
    parts = {"exif": of_copy, "xmp": xmp}
    if kind == "JPEG":
        parts |= {"comment": metadata.comment, "extra": _photoshop(metadata.iptc)}
        parts = {name: part for name, part in parts.items() if _fits(name, part)}
    return found | {name: part for name, part in parts.items() if part} | {"icc_profile": SRGB_PROFILE}


def _chunks(metadata: Metadata, xmp: bytes) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"sRGB", b"\0")  # perceptual
    if xmp:
        chunks.add_itxt(XMP, xmp.decode(errors="replace"))
    for name, text in metadata.texts.items():
        chunks.add_text(name, text)
    return chunks


def _photoshop(records: bytes) -> bytes:
    """Return a whole JPEG segment with these IPTC records, or b"" if there are none or too many."""
    if not records or len(records) > JPEG_SEGMENT_BYTES - 64:
        return b""
    resource = b"8BIM" + struct.pack(">HHL", IPTC_RECORDS, 0, len(records)) + records + bytes(len(records) % 2)
    body = PHOTOSHOP + resource
    return struct.pack(">BBH", 0xFF, APP13, len(body) + 2) + body


def _fits(name: str, value: bytes) -> bool:
    """Return whether a value fits into one JPEG segment, behind its name: the longest name, XMP's, has 29 bytes."""
    fits = len(value) <= JPEG_SEGMENT_BYTES - 29
    if not fits:
        logger.warning("the picture's %s is too long for a JPEG and left out", name)
    return fits


def _corrected(xmp: bytes) -> bytes:
    for name, value in XMP_CORRECTIONS.items():
        xmp = re.sub(rb"(%s\s*(?:=\s*[\"']|>))[^\"'<]*" % name.encode(), lambda found: found[1] + value, xmp)
    return xmp


def _raw_exif(text: str) -> bytes:
    """Parse the EXIF that ImageMagick writes as a text: a name and a length, then lines of hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""


def _plausible(dpi: object) -> tuple[float, float] | None:
    if not (isinstance(dpi, tuple) and len(dpi) == 2):
        return None
    across, down = (float(value) for value in dpi)
    return (across, down) if all(math.isfinite(value) and 1 <= value < 65_536 for value in (across, down)) else None
