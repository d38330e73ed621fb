"""Pictures that are refused by their headers alone, before a pixel is decoded."""

import numpy as np
import pytest
from PIL import Image

from pipeline.contract.errors import BadImage, PictureTooHard
from pipeline.pictures.header_limits import OWN_FILE, UPLOAD, check
from support.pictures import bombs

BOMBS = {
    "too many scans": lambda: bombs.progressive_jpeg(200, 200, 5000),
    "too many scans for its size": lambda: bombs.progressive_jpeg(8000, 5000, 90),
    "too large for a progressive one": lambda: bombs.progressive_jpeg(16_000, 8000, 3),
    "too large a JPEG": lambda: bombs.empty_jpeg(65_000, 65_000),
    "comments": lambda: bombs.flooded_jpeg(0xFE, b"", 100_000),
    "Huffman tables": lambda: bombs.flooded_jpeg(0xC4, bombs.ONE_DC_CODE, 10_000),
    "quantization tables": lambda: bombs.flooded_jpeg(0xDB, bytes([0, *[1] * 64]), 10_000),
    "restart intervals": lambda: bombs.flooded_jpeg(0xDD, b"\0\1", 10_000),
    "EXIF": lambda: bombs.flooded_jpeg(0xE1, bombs.exif_bomb(), 20),
    "too large a WebP": lambda: bombs.webp(4000),
    "the largest WebP": lambda: bombs.webp(16_383),
    "WebP chunks": lambda: bombs.flooded_webp(20_000),
    "too large a PNG": lambda: bombs.png(8000, 5000, colour=6, pixels=b""),
    "a PNG of 2^62 pixels": lambda: bombs.png(2**31 - 1, 2**31 - 1, colour=0, depth=1, pixels=b""),
    "a PNG of one column": lambda: bombs.png(1, 30_000_000, colour=0, pixels=b""),
    "16 bit interlaced": lambda: bombs.png(4000, 4000, colour=6, depth=16, interlaced=True, pixels=b""),
    "PNG chunks": lambda: bombs.png(8, 8, extra=bombs.chunk(b"tEXt", b"a\0b") * 20_000),
    "PNG's inflated texts": lambda: bombs.png(8, 8, extra=bombs.text_bomb(b"zTXt", 1) * 30),
    "PNG's EXIF": lambda: bombs.png(8, 8, extra=bombs.chunk(b"eXIf", bytes(2_000_000))),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_by_its_headers(bomb):
    with pytest.raises(PictureTooHard) as refused:
        check(BOMBS[bomb](), UPLOAD)

    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("bomb", ["too many scans", "too large a JPEG", "the largest WebP", "a PNG of 2^62 pixels"])
def test_the_worst_are_refused_on_the_users_own_machine_too(bomb):
    with pytest.raises(PictureTooHard):
        check(BOMBS[bomb](), OWN_FILE)


def head_only(picture: bytes, width: int, height: int) -> bytes:
    """The same JPEG, with another size in its header."""
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        if (at := picture.find(marker)) > 0:
            return picture[: at + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + picture[at + 9 :]
    raise AssertionError("no frame header")


@pytest.mark.parametrize("size", [(4032, 3024), (8064, 6048), (8160, 6144)], ids=str)
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["plain", "progressive"])
def test_a_telephones_jpeg_passes(size, options):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))

    assert check(head_only(bombs.encoded(noise, "JPEG", **options), *size), UPLOAD) == size[0] * size[1]


@pytest.mark.parametrize(
    ("size", "colour", "depth"), [((3840, 2160), 6, 8), ((5120, 2880), 2, 8), ((3840, 2160), 6, 16)]
)
def test_a_screens_png_passes(size, colour, depth):
    assert check(bombs.png(*size, colour=colour, depth=depth, pixels=b""), UPLOAD) == size[0] * size[1]


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"quality": 80, "exif": b"Exif\0\0II*\0"}])
def test_webps_size_is_read_from_each_of_its_headers(options):
    picture = bombs.encoded(Image.new("RGB", (300, 201)), "WEBP", **options)

    assert check(picture, UPLOAD) == 300 * 201


def test_long_colour_profiles_and_large_films_behind_a_photo_are_nobodys_business():
    photo = bombs.encoded(Image.new("RGB", (64, 64)), "JPEG")
    profile = b"".join(bombs.segment(0xE2, b"ICC_PROFILE\0" + bytes([i, 255]) + bytes(3000)) for i in range(255))

    assert check(photo[:2] + profile + photo[2:] + bytes(5_000_000), UPLOAD) == 64 * 64


def test_a_second_frame_header_is_not_believed():
    photo = bombs.encoded(Image.new("RGB", (64, 64)), "JPEG")
    frame = bombs.jpeg_head(60_000, 60_000, progressive=True)[71:]

    with pytest.raises(BadImage):
        check(photo[:2] + frame + photo[2:], UPLOAD)


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA, 0xCF])
def test_lossless_hierarchical_and_arithmetic_jpegs_are_refused(marker):
    photo = bombs.encoded(Image.new("RGB", (64, 64)), "JPEG")

    with pytest.raises(BadImage, match="cameras and browsers"):
        check(photo.replace(b"\xff\xc0", bytes([0xFF, marker])), UPLOAD)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_any_beginning_of_a_file_is_checked_or_refused(kind):
    whole = bombs.encoded(Image.new("RGB", (64, 64), "teal"), kind)

    for length in range(len(whole)):
        try:
            check(whole[:length], UPLOAD)
        except BadImage:
            pass
