"""What a picture's headers promise, held against limits before any decoder sees it: pixels, passes over them, parts.

Pure and cheap: no more parts are walked than the limits allow, nothing is inflated and no pixel is made. What is odd
but harmless passes; whether a file is damaged is the decoder's to say.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.contract.errors import BadImage, PictureTooHard

MILLION = 1_000_000
MAX_STYLE_BYTES = 10 * MILLION  # a phone's JPEG is 3-8 MB
#: JPEG's own limit. A PNG of one column costs a row's overhead for each pixel.
MAX_SIDE_PX = 65_535
#: An 8x8 block that is visited by one more scan takes up to 20 ns, if it has no data of its own.
MAX_SCANS = 100
#: A phone's JPEG has fewer than 100, one with a long colour profile 255 more.
MAX_JPEG_SEGMENTS = 1000
#: libpng writes 10 MB in 1,250 chunks, a few encoders in five times as many.
MAX_CHUNKS = 10_000
#: Texts and profiles that may each inflate to a megabyte; honest files have one or two.
MAX_INFLATED_CHUNKS = 20
#: Orientation stands in the first hundred bytes; a thumbnail and a maker's note follow.
MAX_METADATA_BYTES = 1_000_000

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # 00 and restarts belong to a scan's own data
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length
_SOF, _EOI, _SOS, _APP1 = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}, 0xD9, 0xDA, 0xE1
_READ_SOF = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: no camera or browser writes another kind
_METADATA = (b"eXIf", b"EXIF", b"XMP ")  # what is parsed beside the picture
_INFLATED = (b"zTXt", b"iTXt", b"iCCP")
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True, slots=True)
class Limits:
    """Pixels by what they cost: a JPEG of one scan is read line by line and shrunk on the way, others are not."""

    plain_jpeg_pixels: int
    layered_jpeg_blocks: int  # progressive, or a scan a component: 128 bytes are held of each block of 8x8
    jpeg_visits: int  # blocks of 8x8, added up over all scans
    png_bytes: int  # inflated
    webp_pixels: int  # up to 16 bytes a pixel while it is read


#: Of strangers. Each is worth half a second of a processor core at most, and 250 MB.
UPLOAD = Limits(64 * MILLION, 1_600_000, 20 * MILLION, 100 * MILLION, 12_500_000)
#: The user's own file on the user's own machine: only a slip, or a trap, is caught.
OWN_FILE = Limits(170 * MILLION, 8 * MILLION, 200 * MILLION, 700 * MILLION, 64 * MILLION)


def check(data: bytes, limits: Limits) -> int:
    """The picture's pixels, as its headers have them: no decoder that finds more of them may go on.

    Raises BadImage for what is no JPEG, PNG or WebP, PictureTooHard for one beyond the limits.
    """
    if data[:3] == b"\xff\xd8\xff":
        return _check_jpeg(data, limits)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _check_png(data, limits)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _check_webp(data, limits)
    raise BadImage("The file is not a JPEG, PNG or WebP picture.")


def too_many_pixels(limit: int) -> PictureTooHard:
    return PictureTooHard(f"The picture has more than {limit / MILLION:.3g} million pixels.")


def _check_jpeg(data: bytes, limits: Limits) -> int:
    """Walk the segments up to the end of the first picture; what follows, such as a film, is nobody's business."""
    blocks, pixels, scans, visits, exif_bytes, progressive = {}, 0, 0, 0, 0, False
    for count, (marker, body) in enumerate(_jpeg_segments(data)):
        if count > MAX_JPEG_SEGMENTS:
            raise _too_many_parts()
        if marker == _APP1 and body[:4] == b"Exif":
            exif_bytes += len(body)
            _check_metadata(exif_bytes)
        elif marker in _SOF:
            if marker not in _READ_SOF or blocks:
                raise BadImage("This is a kind of JPEG that cameras and browsers do not make.")
            pixels, blocks, progressive = *_frame(body), marker == 0xC2
        elif marker == _SOS:
            scans += 1
            visits += sum(blocks.get(component, 0) for component in body[1 : 1 + 2 * body[0] : 2]) if body else 0
            _check_scans(scans, visits, limits)
    if pixels > limits.plain_jpeg_pixels:
        raise too_many_pixels(limits.plain_jpeg_pixels)
    if (progressive or scans > 1) and sum(blocks.values()) > limits.layered_jpeg_blocks:
        raise PictureTooHard("The picture is too large for a progressive JPEG; save it as a plain one.")
    return pixels


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment; a scan's own data is passed over."""
    place = 2
    while found := _NEXT_MARKER.search(data, place):
        marker, place = data[found.start() + 1], found.end()
        if marker == _EOI:
            return
        if marker in _ALONE:
            yield marker, b""
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        yield marker, data[place + 2 : place + length]
        place += max(2, length)


def _frame(body: bytes) -> tuple[int, dict[int, int]]:
    """Pixels, and each component's blocks of 8x8, with those that fill up the edges."""
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
    # A decoder holds four bytes a pixel whatever the file has: a bilevel picture is no cheaper than one in colours.
    pixel_bytes = max(4 if channels > 2 else 3, channels * depth // 8)
    if width * height * pixel_bytes > limits.png_bytes:
        raise too_many_pixels(limits.png_bytes // pixel_bytes)
    _check_chunks(_png_chunks(data))
    return width * height


def _check_webp(data: bytes, limits: Limits) -> int:
    width, height = _webp_size(data)
    if width * height > limits.webp_pixels:
        raise too_many_pixels(limits.webp_pixels)
    _check_chunks(_webp_chunks(data))
    return width * height


def _webp_size(data: bytes) -> tuple[int, int]:
    """Of the canvas; libwebp refuses a file whose picture has another size than its canvas."""
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


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    place = 8
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], length
        place += 12 + length


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    place = 12
    while place + 8 <= len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], length
        place += 8 + length + length % 2


def _check_chunks(chunks: Iterable[tuple[bytes, int]]) -> None:
    inflated = 0
    for count, (name, length) in enumerate(chunks):
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
