"""What a photo has beside its pixels is kept, as far as it is still true."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, IptcImagePlugin, PngImagePlugin

from pipeline.contract.errors import BadImage
from pipeline.pictures import exif
from pipeline.pictures.own_file import Photo, encoded, read_photo, read_picture
from support.pictures import bombs, profiles

COLOURS = np.random.default_rng(0).integers(60, 190, (24, 32, 3), np.uint8)
KINDS = ["JPEG", "PNG", "WEBP"]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6" exif:ColorSpace="65535" '
    b'dc:rights="(c) A. Photographer" GCamera:MotionPhoto="1"/></rdf:RDF></x:xmpmeta>'
)


def camera_exif() -> Image.Exif:
    written = Image.Exif()
    written[ExifTags.Base.Orientation] = 6
    written[ExifTags.Base.Copyright] = "(c) A. Photographer"
    written[ExifTags.Base.DateTime] = "2024:05:01 12:30:00"
    written[ExifTags.Base.XResolution] = 240.0
    written.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 31.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)})
    written.get_ifd(ExifTags.IFD.Exif).update(
        {0x9003: "2024:05:01 12:30:00", 0x927C: b"maker\0note", 0xA001: 65535, 0xA002: 32, 0xA003: 24}
    )
    return written


def again(data: bytes, kind: str) -> Image.Image:
    """The file that `image` writes of another one, in its own size."""
    made = Image.open(BytesIO(encoded(read_photo(data), kind)))
    made.load()
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", [*KINDS, "AVIF"])
def test_exif_goes_on_and_says_that_pixels_are_upright_and_srgb(source, kind):
    made = again(bombs.encoded(Image.fromarray(COLOURS), source, exif=camera_exif()), kind).getexif()

    assert made[ExifTags.Base.Orientation] == 1 or source == "AVIF"  # this format has it in a box of its own
    assert made[ExifTags.Base.Copyright] == "(c) A. Photographer"
    assert made[ExifTags.Base.DateTime] == "2024:05:01 12:30:00"
    assert made.get_ifd(ExifTags.IFD.GPSInfo)[2] == (52.0, 31.0, 0.0)
    below = made.get_ifd(ExifTags.IFD.Exif)
    assert below[0x9003] == "2024:05:01 12:30:00" and below[0x927C] == b"maker\0note"
    assert below[0xA001] == 1
    turned = source != "AVIF" or below[0xA002] == 24
    assert (below[0xA002], below[0xA003]) == ((24, 32) if turned else (32, 24))


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_upright_once(kind):
    """No program turns the copy again, neither by EXIF nor by XMP."""
    written = camera_exif()
    made = again(bombs.encoded(Image.fromarray(COLOURS), "JPEG", exif=written, xmp=XMP, quality=100), kind)

    assert made.size == (24, 32)
    assert made.getexif()[ExifTags.Base.Orientation] == 1
    del written[ExifTags.Base.Orientation]
    turned_by_xmp = again(bombs.encoded(Image.fromarray(COLOURS), "JPEG", exif=written, xmp=XMP), kind)
    assert turned_by_xmp.size == (24, 32)
    assert turned_by_xmp.getexif().get(ExifTags.Base.Orientation, 1) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["JPEG", "WEBP", "PNG"])
def test_xmp_goes_on_without_what_is_no_longer_true(source, kind):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
    options = {"pnginfo": chunks} if source == "PNG" else {"xmp": XMP}

    made = again(bombs.encoded(Image.fromarray(COLOURS), source, **options), kind)

    xmp = made.info.get("xmp") or made.info["XML:com.adobe.xmp"].encode()
    assert b"(c) A. Photographer" in xmp
    assert b'Orientation="1"' in xmp and b'ColorSpace="1"' in xmp and b'MotionPhoto="0"' in xmp


def test_iptc_and_a_comment_stay_in_a_jpeg():
    records = b"\x1c\x02\x74\0\x11(c) A. Photograph" + b"\x1c\x02\x19\0\3sea"
    resource = b"8BIM" + struct.pack(">HHL", 0x0404, 0, len(records)) + records + bytes(len(records) % 2)
    plain = bombs.encoded(Image.fromarray(COLOURS), "JPEG", comment=b"at the sea")

    made = again(plain[:2] + bombs.segment(0xED, b"Photoshop 3.0\0" + resource) + plain[2:], "JPEG")

    assert made.info["comment"] == b"at the sea"
    assert IptcImagePlugin.getiptcinfo(made) == {(2, 116): b"(c) A. Photograph", (2, 25): b"sea"}


def test_texts_of_a_png_stay_in_a_png():
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Author", "A. Photographer")
    chunks.add_itxt("Title", "Düne", lang="de")

    made = again(bombs.encoded(Image.fromarray(COLOURS), "PNG", pnginfo=chunks), "PNG")

    assert made.text == {"Author": "A. Photographer", "Title": "Düne"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("source", ["JPEG", "PNG"])
def test_dots_per_inch_go_on(source, kind):
    made = again(bombs.encoded(Image.fromarray(COLOURS), source, dpi=(300, 300)), kind)

    assert made.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_copy_says_that_it_is_srgb(kind):
    smooth = np.array(Image.fromarray(COLOURS).resize((320, 240), Image.Resampling.BICUBIC))
    data = bombs.encoded(Image.fromarray(smooth), "PNG", icc_profile=profiles.rgb_profile(profiles.ADOBE, 2.2))

    made = again(data, kind)

    if kind == "PNG":
        assert made.info["srgb"] == 0
    else:
        said = ImageCms.ImageCmsProfile(BytesIO(made.info["icc_profile"]))
        assert ImageCms.getProfileDescription(said).strip() == "sRGB"
    wanted = profiles.shown(smooth, profiles.ADOBE, 2.2)
    assert np.abs(read_picture(encoded(read_photo(data), kind)) - wanted).mean() < 2.5


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_kept_and_colours_are_not_multiplied_by_it(mode, kind):
    picture = Image.new("RGBA", (32, 24), (180, 90, 60, 255))
    picture.paste((180, 90, 60, 0 if mode == "P" else 100), (0, 0, 16, 24))
    options = {}
    if mode == "P":
        picture, options = picture.quantize(4), {"transparency": picture.quantize(4).getpixel((0, 0))}
    photo = read_photo(bombs.encoded(picture.convert(mode), "PNG", **options))

    made = Image.open(BytesIO(encoded(photo, kind))).convert("RGBA")

    assert made.getpixel((2, 12))[3] == (0 if mode == "P" else 100) and made.getpixel((30, 12))[3] == 255
    if mode == "RGBA":
        np.testing.assert_allclose(made.getpixel((2, 12))[:3], (180, 90, 60), atol=4)


def test_a_jpeg_shows_transparency_as_white():
    made = encoded(Photo(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)), "JPEG")

    assert (read_picture(made) > 250).all()


@pytest.mark.parametrize(
    "carried",
    [
        b"Exif\0\0II*\0",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0rubbish",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(40),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_exif_that_is_damaged_stops_nothing(kind, carried):
    assert again(bombs.encoded(Image.fromarray(COLOURS), "PNG", exif=b"Exif\0\0" + carried), kind).size == (32, 24)


def test_exif_may_end_anywhere():
    whole = camera_exif().tobytes()

    for length in range(len(whole)):
        assert len(exif.of_copy(whole[:length], (24, 32))) in (0, length)


def test_what_a_jpeg_has_no_room_for_is_left_out(caplog):
    long = Image.Exif()
    long[ExifTags.Base.ImageDescription] = "x" * 70_000

    made = again(bombs.encoded(Image.fromarray(COLOURS), "PNG", exif=long), "JPEG")

    assert made.size == (32, 24) and not made.getexif()
    assert "exif is too long for a JPEG" in caplog.text


def test_the_thumbnail_of_another_picture_is_gone():
    small = bombs.encoded(Image.new("RGB", (16, 12)), "JPEG")
    first = struct.pack("<LHHHLLL", 8, 1, 0x0112, 3, 1, 1, 26)
    second = struct.pack("<HHHLLHHLLL", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, len(small), 0)
    with_one = b"Exif\0\0II*\0" + first + second + small

    copy = exif.of_copy(with_one, (32, 24))

    assert len(copy) == len(with_one) and b"\xff\xd8" not in copy
    assert not Image.open(BytesIO(bombs.encoded(Image.new("RGB", (4, 4)), "JPEG", exif=copy))).getexif().get_ifd(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dots_a_metre", [0, 1, 2**32 - 1])
def test_impossible_dots_per_inch_are_left_out(dots_a_metre, kind):
    data = bombs.png(8, 8, extra=bombs.chunk(b"pHYs", struct.pack(">LLB", dots_a_metre, dots_a_metre, 1)))

    assert "dpi" not in again(data, kind).info


@pytest.mark.parametrize("deep", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_depth_and_number_of_channels_is_the_same_picture(deep, channels):
    levels = np.random.default_rng(1).integers(0, 256, (6, 7, channels), np.uint8)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = levels.astype(np.uint16) * 257 if deep is np.uint16 else levels
    filled = b"".join(b"\0" + row.astype(rows.dtype.newbyteorder(">")).tobytes() for row in rows)

    photo = read_photo(bombs.png(7, 6, depth=8 * rows.itemsize, colour=colour, pixels=filled))

    np.testing.assert_array_equal(photo.rgb, levels[..., :3] if channels > 2 else levels[..., :1].repeat(3, -1))
    if channels in (2, 4):
        np.testing.assert_array_equal(photo.alpha, levels[..., -1])
    else:
        assert photo.alpha is None


@pytest.mark.parametrize("deep", [8, 16])
@pytest.mark.parametrize("colour", [0, 2])
def test_the_one_transparent_colour_of_a_png_is_transparent(colour, deep):
    channels = 3 if colour else 1
    rows = np.array([[0x1234] * channels, [0x9999] * channels])
    filled = b"\0" + (rows >> (16 - deep)).astype(f">u{deep // 8}").tobytes()
    key = bombs.chunk(b"tRNS", (rows[0] >> (16 - deep)).astype(">u2").tobytes())

    photo = read_photo(bombs.png(2, 1, depth=deep, colour=colour, extra=key, pixels=filled))

    assert photo.alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize(("transform", "mode"), [(0, "CMYK"), (2, "CMYK"), (0, "RGB"), (1, "RGB")])
def test_adobes_word_on_channels_is_believed(transform, mode):
    """It tells CMYK from YCCK, and RGB from YCbCr, in files without JFIF."""
    picture = Image.fromarray(COLOURS).resize((64, 48), Image.Resampling.BICUBIC).convert(mode)
    data = bombs.encoded(picture, "JPEG", quality=100, subsampling="4:4:4", keep_rgb=transform == 0)
    segments = b"\xff\xd8" + bombs.segment(0xEE, b"Adobe\0d\0\0\0\0" + bytes([transform]))
    start = data.index(b"\xff\xdb")

    photo = read_photo(segments + data[start:])

    assert photo.rgb.shape == (48, 64, 3)
    if transform != 2:
        np.testing.assert_allclose(photo.rgb.mean((0, 1)), np.array(picture.convert("RGB")).mean((0, 1)), atol=3)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


@pytest.mark.parametrize("data", [HEIC, HEIC.replace(b"ftypheic", b"ftypmif1")])
def test_heic_gets_a_sentence_of_its_own(data):
    with pytest.raises(BadImage, match="HEIC picture, which cannot be read here; save it as a JPEG"):
        read_photo(data)


@pytest.mark.parametrize("kind", [*KINDS, "AVIF"])
def test_a_picture_that_ends_too_soon_is_damaged(kind):
    data = bombs.encoded(Image.fromarray(COLOURS), kind)

    with pytest.raises(BadImage, match="damaged or incomplete"):
        read_photo(data[: len(data) * 2 // 3])
