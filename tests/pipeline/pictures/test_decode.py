"""How other people's pictures are decoded; test_header_limits.py has what is refused."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.contract.errors import BadImage
from pipeline.pictures.decode import STYLE_BYTES, STYLE_SIDE_PX, THUMBNAIL_SIDE_PX, read, style_files
from pipeline.pictures.header_limits import UPLOAD
from support.pictures import bombs

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def read_style(data: bytes) -> np.ndarray:
    return np.array(read(data, UPLOAD, STYLE_SIDE_PX))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    return bombs.encoded(image, kind, **options)


def quadrants() -> Image.Image:
    """A picture of 64 x 32 pixels: red and green above, blue and white below."""
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:16, :32], pixels[:16, 32:], pixels[16:, :32], pixels[16:, 32:] = RED, GREEN, BLUE, WHITE
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_style_is_read_in_all_three_formats(kind: str):
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}

    style = read_style(encoded(quadrants(), kind, **options))

    np.testing.assert_allclose(style[8, 8], RED, atol=6)
    np.testing.assert_allclose(style[24, 56], WHITE, atol=6)


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 5000), (2000, 1500)])
def test_style_of_any_shape_is_at_most_1024_px(size: tuple[int, int]):
    style = read_style(encoded(Image.new("RGB", size, RED)))

    assert max(style.shape[:2]) == min(max(size), STYLE_SIDE_PX)
    assert (style == RED).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_orientation_is_applied(kind: str, orientation: int):
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = quadrants().transpose(turn[orientation]) if orientation in turn else quadrants()
    exif = Image.Exif()
    exif[0x0112] = orientation

    style = read_style(encoded(stored, kind, exif=exif, quality=100, lossless=True))

    assert style.shape == (32, 64, 3)
    np.testing.assert_allclose(style[4::24, 8::48].reshape(-1, 3), [RED, GREEN, BLUE, WHITE], atol=8)


def test_sixteen_bit_grey_is_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)

    style = read_style(encoded(Image.fromarray(ramp)))

    assert style.shape == (4, 256, 3)
    np.testing.assert_array_equal(style[0, :, 1], np.arange(256))


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA"])
def test_every_pixel_mode_becomes_rgb(mode: str):
    style = read_style(encoded(Image.new("RGB", (8, 8), "white").convert(mode)))

    assert style.shape == (8, 8, 3) and (style == 255).all()


def test_cmyk_jpeg_becomes_rgb():
    style = read_style(encoded(Image.new("RGB", (16, 16), RED).convert("CMYK"), "JPEG", quality=100))

    np.testing.assert_allclose(style[8, 8], RED, atol=4)


@pytest.mark.parametrize(("alpha", "expected"), [(255, RED), (0, WHITE), (128, (255, 127, 127))])
def test_transparency_lies_over_white(alpha: int, expected: tuple[int, int, int]):
    style = read_style(encoded(Image.new("RGBA", (8, 8), (*RED, alpha))))

    np.testing.assert_allclose(style[4, 4], expected, atol=1)


def test_transparent_palette_colour_lies_over_white():
    image = Image.new("P", (8, 8), 0)
    image.putpalette([*RED, *GREEN])

    style = read_style(encoded(image, transparency=0))

    assert (style == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_animation_gives_its_first_frame(kind: str):
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)

    style = read_style(encoded(first, kind, save_all=True, append_images=[second], lossless=True))

    np.testing.assert_allclose(style, np.broadcast_to(RED, style.shape), atol=2)


def test_broken_metadata_beside_good_pixels_is_no_reason_to_fail():
    style = read_style(encoded(quadrants(), "PNG", icc_profile=b"not a profile"))

    assert tuple(style[0, 0]) == RED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_truncated_file_is_refused(kind: str, share: float):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    whole = encoded(noise, kind)

    with pytest.raises(BadImage):
        read_style(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO", "PDF", "EPS"])
def test_other_formats_are_refused_whatever_they_are_called(kind: str):
    with pytest.raises(BadImage, match="not a JPEG, PNG, WebP or AVIF"):
        read_style(encoded(quadrants(), kind))


@pytest.mark.parametrize("data", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS\nshowpage", b"SIMPLE  = T"])
def test_anything_else_is_refused(data: bytes):
    with pytest.raises(BadImage, match="not a JPEG, PNG, WebP or AVIF"):
        read_style(data)


def test_polyglot_is_read_as_the_picture_it_starts_with():
    """Trailing bytes of another format (a zip, a script) are never read."""
    style = read_style(encoded(quadrants()) + b"PK\x03\x04<script>alert(1)</script>")

    assert tuple(style[0, 0]) == RED


@settings(max_examples=150)
@given(st.data())
def test_flipped_bytes_give_a_picture_or_bad_image(data: st.DataObject):
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "AVIF"]))
    damaged = bytearray(encoded(quadrants(), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))

    try:
        style = read_style(bytes(damaged))
    except BadImage:
        return

    assert style.dtype == np.uint8 and style.ndim == 3 and max(style.shape[:2]) <= STYLE_SIDE_PX


@pytest.mark.parametrize("levels", [2, 256], ids=["black on white", "all colours"])
def test_style_and_thumbnail_are_small_even_of_noise(levels):
    noise = np.random.default_rng(0).integers(0, levels, (1100, 1100, 3), np.uint8) * (255 // (levels - 1))

    files = style_files(encoded(Image.fromarray(noise.astype(np.uint8)), compress_level=1))

    assert len(files.style) <= STYLE_BYTES and len(files.thumbnail) <= 60_000
    assert max(Image.open(BytesIO(files.thumbnail)).size) == THUMBNAIL_SIDE_PX


def test_odd_metadata_gives_no_warnings():
    """Before, each of 5,000 entries gave two lines in the log."""
    assert style_files(bombs.flooded_jpeg(0xE1, bombs.exif_bomb(), 1)).style


def test_nothing_of_a_files_metadata_is_kept():
    exif = Image.Exif()
    exif[0x8298] = "Jane Doe"

    files = style_files(encoded(quadrants(), "JPEG", exif=exif, comment=b"Jane Doe", icc_profile=b"Jane Doe" * 40))

    assert b"Jane" not in files.style + files.thumbnail


@pytest.mark.parametrize("name", ["plain.jpg", "icc_p3.jpg", "cmyk_icc.jpg", "meta.jpg", "rgba.png"])
def test_troublesome_photos_become_styles(name):
    """These are pictures that many programs cannot read, from the folder that MVS_TEST_INPUTS names."""
    path = Path(os.environ.get("MVS_TEST_INPUTS", "none")) / name
    if not path.is_file():
        pytest.skip("MVS_TEST_INPUTS is not set")

    assert style_files(path.read_bytes()).style
