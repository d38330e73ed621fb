"""Checks a picture's headers against limits before any decoder sees the file: its pixels, scans and number of parts.

The check is pure and cheap: it visits no more parts than the limits allow, and decompresses and decodes nothing. Odd
but harmless files pass. The decoder finds out whether a file is damaged.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.contract.errors import BadImage, PictureTooHard
from pipeline.pictures import file_parts

MILLION = 1_000_000
MAX_STYLE_BYTES = 10 * MILLION  # a phone's JPEG is 3-8 MB
#: This is JPEG's own limit. PNG needs one because a decoder spends time on each row, even on rows of one pixel.
MAX_SIDE_PX = 65_535
#: Each scan takes up to 20 ns for each block of 8x8 pixels, even if it holds no data for that block.
MAX_SCANS = 100
#: A phone's JPEG has fewer than 100 segments; a long colour profile adds up to 255.
MAX_JPEG_SEGMENTS = 1000
#: libpng writes 10 MB in 1,250 chunks; a few encoders write five times as many.
MAX_CHUNKS = 10_000
#: A picture of a hundred tiles has five hundred boxes.
MAX_BOXES = 2000
#: A compressed text or profile may grow to four megabytes; honest files have one or two of them.
MAX_INFLATED_CHUNKS = 20
#: Real EXIF blocks are far smaller: beside a few tags they hold a thumbnail and a maker's note.
MAX_METADATA_BYTES = 1_000_000

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_READ_SOF = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: no camera or browser writes another kind
_METADATA = (b"eXIf", b"EXIF", b"XMP ")  # Pillow parses these chunks, beside those of the picture
_INFLATED = (b"zTXt", b"iTXt", b"iCCP")
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each kind of picture is decoded at most.

    The kinds cost different amounts: only a JPEG with one scan is decoded line by line and shrunk at the same time.
    """

    plain_jpeg_pixels: int
    layered_jpeg_blocks: int  # for more than one scan, when the decoder holds 128 bytes for each block of 8x8 pixels
    jpeg_visits: int  # blocks of 8x8 pixels, added up over all scans
    png_bytes: int  # of the decoded picture
    webp_pixels: int  # the decoder holds up to 16 bytes for each
    avif_pixels: int  # ten million pixels of a lossless picture take half a second of a core


#: For files from strangers. A picture at any of these limits takes at most half a second of a core, and 250 MB.
UPLOAD = Limits(64 * MILLION, 1_600_000, 20 * MILLION, 100 * MILLION, 12_500_000, 12_500_000)
#: For the user's own files on the user's own machine. These only catch mistakes and decompression bombs.
OWN_FILE = Limits(170 * MILLION, 8 * MILLION, 200 * MILLION, 700 * MILLION, 64 * MILLION, 64 * MILLION)


def check(data: bytes, limits: Limits) -> int:
    """Return how many pixels the headers declare. The caller must refuse a picture whose decoder finds more.

    Raises BadImage for a file in none of the four formats, and PictureTooHard for one beyond the limits.
    """
    if data.startswith(file_parts.JPEG):
        return _check_jpeg(data, limits)
    if data.startswith(file_parts.PNG):
        return _check_png(data, limits)
    if file_parts.is_webp(data):
        return _check_webp(data, limits)
    brands = file_parts.brands(data)
    if brands & _AVIF:
        return _check_avif(data, limits)
    if brands & _HEIC:
        raise BadImage("The file is a HEIC picture, which cannot be read here; save it as a JPEG.")
    raise BadImage("The file is not a JPEG, PNG, WebP or AVIF picture.")


def too_many_pixels(limit: int) -> PictureTooHard:
    return PictureTooHard(f"The picture has more than {limit / MILLION:.3g} million pixels.")


def _check_jpeg(data: bytes, limits: Limits) -> int:
    """Check the segments up to the end of the first picture. The film or second picture after it is never read."""
    blocks: dict[int, int] = {}
    pixels, scans, visits, exif_bytes, progressive = 0, 0, 0, 0, False
    for count, (marker, body) in enumerate(file_parts.jpeg_segments(data)):
        if count > MAX_JPEG_SEGMENTS:
            raise _too_many_parts()
        if marker == file_parts.APP1 and body[:4] == b"Exif":
            exif_bytes += len(body)
            _check_metadata(exif_bytes)
        elif marker in _SOF:
            if marker not in _READ_SOF or blocks:
                raise BadImage("This is a kind of JPEG that cameras and browsers do not make.")
            pixels, blocks, progressive = *_frame(body), marker == 0xC2
        elif marker == file_parts.SOS:
            scans += 1
            visits += sum(blocks.get(component, 0) for component in body[1 : 1 + 2 * body[0] : 2]) if body else 0
            _check_scans(scans, visits, limits)
    if pixels > limits.plain_jpeg_pixels:
        raise too_many_pixels(limits.plain_jpeg_pixels)
    if (progressive or scans > 1) and sum(blocks.values()) > limits.layered_jpeg_blocks:
        raise PictureTooHard("The picture is too large for a progressive JPEG; save it as a plain one.")
    return pixels


def _frame(body: bytes) -> tuple[int, dict[int, int]]:
    """Return the pixels of a frame, and how many blocks of 8x8 pixels each component has, padding included."""
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise BadImage("The picture is damaged or incomplete.")
    height, width = struct.unpack(">HH", body[1:5])
    parts = [(body[at], body[at + 1] >> 4, body[at + 1] & 15) for at in range(6, 6 + 3 * body[5], 3)]
    most_h, most_v = max((h for _, h, _ in parts), default=1) or 1, max((v for _, _, v in parts), default=1) or 1
    units = -(-width // (8 * most_h)) * -(-height // (8 * most_v))
    return width * height, {name: units * h * v for name, h, v in parts}


def _check_scans(scans: int, visits: int, limits: Limits) -> None:
    if scans > MAX_SCANS or visits > limits.jpeg_visits:
        raise PictureTooHard("The picture is built up in too many passes; save it as a plain JPEG.")


def _check_png(data: bytes, limits: Limits) -> int:
    if data[12:16] != b"IHDR" or len(data) < 29:
        raise BadImage("The picture is damaged or incomplete.")
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if max(width, height) > MAX_SIDE_PX:
        raise PictureTooHard(f"The picture's sides have more than {MAX_SIDE_PX:,} pixels.")
    channels = _PNG_CHANNELS.get(colour, 4)
    # A decoder holds up to four bytes for each pixel even if the file has one bit for it.
    pixel_bytes = max(4 if channels > 2 else 3, channels * depth // 8)
    if width * height * pixel_bytes > limits.png_bytes:
        raise too_many_pixels(limits.png_bytes // pixel_bytes)
    _check_chunks(file_parts.png_chunks(data))
    return width * height


def _check_webp(data: bytes, limits: Limits) -> int:
    width, height = _webp_size(data)
    if width * height > limits.webp_pixels:
        raise too_many_pixels(limits.webp_pixels)
    _check_chunks(file_parts.webp_chunks(data))
    return width * height


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height of the canvas. libwebp refuses a picture whose size differs from its canvas."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        raise BadImage("The picture is damaged or incomplete.")
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", body[6:10])
    return width & 0x3FFF, height & 0x3FFF


def _check_avif(data: bytes, limits: Limits) -> int:
    """Check the size of the largest item: a picture may consist of tiles, and have an alpha plane as another item."""
    pixels = 0
    for count, (name, body) in enumerate(file_parts.avif_boxes(data)):
        if count > MAX_BOXES:
            raise _too_many_parts()
        pixels = max(pixels, _box_pixels(name, body))
    if not pixels:
        raise BadImage("The picture is damaged or incomplete.")
    if pixels > limits.avif_pixels:
        raise too_many_pixels(limits.avif_pixels)
    return pixels


def _box_pixels(name: bytes, body: bytes) -> int:
    """Return the pixels that a box declares, if it is the size box of an item or the header of a track; otherwise 0."""
    if name == b"ispe" and len(body) >= 12:
        width, height = struct.unpack(">II", body[4:12])
        return width * height
    if name == b"tkhd" and len(body) >= 8:
        width, height = struct.unpack(">II", body[-8:])  # fixed point, with 16 bits of fraction
        return (width >> 16) * (height >> 16)
    return 0


def _check_chunks(chunks: Iterable[tuple[bytes, int, int]]) -> None:
    inflated = 0
    for count, (name, length, _) in enumerate(chunks):
        inflated += name in _INFLATED
        if count > MAX_CHUNKS or inflated > MAX_INFLATED_CHUNKS:
            raise _too_many_parts()
        if name in _METADATA:
            _check_metadata(length)


def _check_metadata(length: int) -> None:
    if length > MAX_METADATA_BYTES:
        raise PictureTooHard("The picture carries more than 1 MB of metadata; save it without.")


def _too_many_parts() -> PictureTooHard:
    return PictureTooHard("The file is cut into far more pieces than a picture needs.")
