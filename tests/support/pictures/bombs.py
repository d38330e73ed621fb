"""Small hostile files: pictures that cost far more to read than to send."""

import struct
import zlib
from io import BytesIO

from PIL import Image

#: JPEG's code tables with one symbol of a single bit each: DC differences of 0, and an end-of-block run of 2^14.
ONE_DC_CODE = bytes([0x00, 1, *[0] * 15, 0x00])
LONG_RUN_CODE = bytes([0x10, 1, *[0] * 15, 0xE0])
PLAIN_AC_CODE = bytes([0x10, 1, *[0] * 15, 0x00])


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_head(width: int, height: int, *, progressive: bool, components: int = 1) -> bytes:
    parts = b"".join(bytes([number, 0x11, 0]) for number in range(1, components + 1))
    frame = struct.pack(">BHHB", 8, height, width, components) + parts
    return b"\xff\xd8" + segment(0xDB, bytes([0, *[1] * 64])) + segment(0xC2 if progressive else 0xC0, frame)


def scan_header(components: int = 1, first: int = 0, last: int = 63) -> bytes:
    parts = b"".join(bytes([number, 0]) for number in range(1, components + 1))
    return segment(0xDA, bytes([components]) + parts + bytes([first, last, 0]))


def progressive_jpeg(width: int, height: int, scans: int) -> bytes:
    """In a few bytes, every scan says that no block changes, and makes a decoder walk through the whole picture."""
    blocks = -(-width // 8) * -(-height // 8)
    runs = -(-blocks // 32767)
    bits = "0" + "1" * 14  # the code, and by how much the run is longer than 2^14
    text = bits * runs
    entropy = int(text.ljust(-(-len(text) // 8) * 8, "1"), 2).to_bytes(-(-len(text) // 8), "big")
    entropy = entropy.replace(b"\xff", b"\xff\x00")
    dc = bytes(-(-blocks // 8))
    scan = scan_header(first=1) + entropy
    tables = segment(0xC4, ONE_DC_CODE) + segment(0xC4, LONG_RUN_CODE)
    return jpeg_head(width, height, progressive=True) + tables + scan_header(last=0) + dc + scan * scans + b"\xff\xd9"


def flooded_jpeg(marker: int, body: bytes, count: int) -> bytes:
    """A normal picture after many segments of one kind."""
    honest = encoded(Image.new("RGB", (64, 64), "teal"), "JPEG")
    return honest[:2] + segment(marker, body) * count + honest[2:]


def empty_jpeg(width: int, height: int, components: int = 3) -> bytes:
    """A baseline JPEG that claims pixels, but has none."""
    tables = segment(0xC4, ONE_DC_CODE) + segment(0xC4, PLAIN_AC_CODE)
    return (
        jpeg_head(width, height, progressive=False, components=components)
        + tables
        + (scan_header(components) + b"\x00" * 64 + b"\xff\xd9")
    )


#: Parts of a WebP's bit stream, as (value, bits): alpha, version, no transform, no colour cache and no meta codes.
WEBP_PLAIN = ((0, 1), (0, 3), (0, 1), (0, 1), (0, 1))
#: A code with a single symbol of eight bits, which takes no bits per pixel.
WEBP_ONE_SYMBOL = ((1, 1), (0, 1), (1, 1))


def webp(side: int) -> bytes:
    """A lossless WebP of one colour: 16383 x 16383 pixels are 34 bytes."""
    fields = [(side - 1, 14), (side - 1, 14), *WEBP_PLAIN]
    for symbol in (128, 0, 128, 255, 0):  # green, red, blue, alpha, and a distance that is never used
        fields += [*WEBP_ONE_SYMBOL, (symbol, 8)]
    stream, length = 0, 0
    for value, bits in fields:
        stream |= value << length
        length += bits
    body = b"\x2f" + stream.to_bytes(-(-length // 8), "little")
    body += bytes(len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 12) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body


def flooded_webp(chunks: int) -> bytes:
    honest = encoded(Image.new("RGB", (64, 64), "teal"), "WEBP", exif=b"Exif\0\0II*\0")
    body = honest[8:] + b"junk\0\0\0\0" * chunks
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int,
    height: int,
    *,
    depth: int = 8,
    colour: int = 2,
    interlaced: bool = False,
    extra: bytes = b"",
    pixels: bytes | None = None,
) -> bytes:
    """A black PNG. `extra` chunks precede its pixels; `pixels` may be inflated bytes of another length."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    if pixels is None:
        pixels = bytes(height * (1 + width * channels * depth // 8))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced)))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


def text_bomb(kind: bytes, megabytes: int) -> bytes:
    """A compressed text or profile that inflates a thousandfold."""
    heads = {b"zTXt": b"k\0\0", b"iCCP": b"p\0\0", b"iTXt": b"k\0\1\0\0\0"}
    return chunk(kind, heads[kind] + deflated_zeros(megabytes))


def deflated_zeros(megabytes: int) -> bytes:
    """Deflated zeros as zlib would give them, but made at once, since each million is the same block."""
    compressor = zlib.compressobj(9, wbits=-15)
    block = compressor.compress(bytes(1_000_000)) + compressor.flush(zlib.Z_FULL_FLUSH)
    checksum = megabytes * 1_000_000 % 65_521 << 16 | 1  # Adler-32's modulus
    return b"\x78\xda" + megabytes * block + compressor.flush() + checksum.to_bytes(4)


def exif_bomb() -> bytes:
    """64 KB of EXIF with 5,000 entries, which all refer to the same 60 KB."""
    count = 5000
    entries = b"".join(struct.pack("<HHLL", 0x9000 + index, 7, 60_000, 8) for index in range(count))
    return b"Exif\0\0II*\0" + struct.pack("<LH", 8, count) + entries + bytes(4)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
