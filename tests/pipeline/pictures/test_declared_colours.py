"""Whatever colours a file declares, its pixels are read as sRGB, by `image` and, after shrinking, for uploads."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.pictures.decode import STYLE_SIDE_PX, read
from pipeline.pictures.header_limits import OWN_FILE, UPLOAD
from support.pictures import bombs, profiles

#: Colours as in photos: those beyond all screens are cut off, and not everywhere in the same way.
COLOURS = np.random.default_rng(0).integers(60, 190, (24, 32, 3), np.uint8)
SRGB_XY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3_XY = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def pixels(data: bytes) -> np.ndarray:
    own, upload = (np.array(read(data, *limits)) for limits in ((OWN_FILE,), (UPLOAD, STYLE_SIDE_PX)))
    np.testing.assert_array_equal(own, upload)
    return own.astype(int)


def with_profile(picture: Image.Image, profile: bytes, kind: str = "PNG") -> bytes:
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 100}}
    return bombs.encoded(picture, kind, icc_profile=profile, **options.get(kind, {}))


def png(*chunks: bytes, colours: np.ndarray = COLOURS) -> bytes:
    """A PNG with these chunks before its pixels."""
    plain = bombs.encoded(Image.fromarray(colours), "PNG")
    return plain[:33] + b"".join(chunks) + plain[33:]


def gamma(value: float) -> bytes:
    return bombs.chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def chromaticities(values: tuple) -> bytes:
    return bombs.chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values)))


def cicp(primaries: int, transfer: int) -> bytes:
    return bombs.chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    ("colorants", "power"), [(profiles.DISPLAY_P3, 2.2), (profiles.ADOBE, 2.2), (profiles.PROPHOTO, 1.8)]
)
def test_a_profile_of_a_display_is_followed(kind, colorants, power):
    plain = pixels(bombs.encoded(Image.fromarray(COLOURS), kind, quality=100, subsampling="4:4:4", lossless=True))
    data = bombs.encoded(
        Image.fromarray(COLOURS), kind, quality=100, subsampling="4:4:4", lossless=True,
        icc_profile=profiles.rgb_profile(colorants, power),
    )  # fmt: skip

    wanted = profiles.shown(plain, colorants, power)

    assert np.abs(wanted - plain).mean() > 3
    assert np.abs(pixels(data) - wanted).max() <= 3


@pytest.mark.parametrize("power", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_profile_of_grey_is_followed(power, alpha):
    grey = np.arange(256, dtype=np.uint8)[None].repeat(4, 0)
    picture = (
        Image.merge("LA", [Image.fromarray(grey), Image.new("L", (256, 4), 255)]) if alpha else Image.fromarray(grey)
    )

    got = pixels(with_profile(picture, profiles.grey_profile(power)))

    assert np.abs(got[0, 8:, 1] - profiles.encoded((np.arange(256) / 255) ** power)[8:]).max() <= 2


@pytest.mark.parametrize(("mode", "space"), [("CMYK", b"CMYK"), ("RGB", b"RGB ")])
def test_a_profile_with_tables_is_followed_as_littlecms_has_it(mode, space):
    picture = Image.fromarray(COLOURS).convert(mode)
    data = with_profile(picture, profiles.table_profile(space, len(mode)), "JPEG")
    stored = Image.open(BytesIO(data))

    wanted = ImageCms.profileToProfile(
        stored, ImageCms.ImageCmsProfile(BytesIO(stored.info["icc_profile"])), ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )  # fmt: skip

    assert np.abs(pixels(data) - np.array(wanted)).max() <= 2
    assert np.abs(pixels(data) - np.array(stored.convert("RGB"))).mean() > 10


def test_a_profile_of_rgb_is_good_for_a_grey_picture():
    grey = np.arange(256, dtype=np.uint8)[None].repeat(4, 0)

    got = pixels(with_profile(Image.fromarray(grey), profiles.rgb_profile(profiles.SRGB, 1.0)))

    assert np.abs(got[0, :, 0] - profiles.encoded(np.arange(256) / 255)).max() <= 2


WRONG = {
    "no profile": b"not a profile" * 20,
    "empty": bytes(200),
    "cut short": profiles.rgb_profile(profiles.ADOBE, 1.0)[:300],
    "for a press": profiles.table_profile(b"CMYK", 4),
    "for grey": profiles.grey_profile(1.0),
    "without primaries": profiles.profile(b"mntr", b"RGB ", b"XYZ ", {}),
    "a link of devices": profiles.profile(b"link", b"RGB ", b"RGB ", {}),
    "a program that takes minutes": profiles.program_bomb(50_000),
    "all zero": profiles.rgb_profile(((0, 0, 0),) * 3, 1.0),
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("wrong", list(WRONG)[:-1])
def test_a_profile_that_says_nothing_of_these_pixels_is_left_out(kind, wrong):
    plain = bombs.encoded(Image.fromarray(COLOURS), kind, quality=90)
    data = bombs.encoded(Image.fromarray(COLOURS), kind, quality=90, icc_profile=WRONG[wrong])

    np.testing.assert_array_equal(pixels(data), pixels(plain))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_profile_on_ink_or_grey_does_not_stop_it(wrong):
    for mode in ("CMYK", "L"):
        assert pixels(with_profile(Image.fromarray(COLOURS).convert(mode), WRONG[wrong], "JPEG")).shape == COLOURS.shape


def test_a_long_profile_of_a_screen_is_no_damage():
    """Pillow alone refuses a PNG whose profile has more than a megabyte."""
    noise = np.random.default_rng(0).bytes(2_000_000)
    profile = profiles.profile(b"mntr", b"RGB ", b"XYZ ", {b"junk": b"data" + noise})

    np.testing.assert_array_equal(pixels(with_profile(Image.fromarray(COLOURS), profile)), COLOURS)


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ([gamma(1.0)], profiles.encoded(COLOURS / 255)),
        ([gamma(1 / 1.8)], profiles.encoded((COLOURS / 255) ** 1.8)),
        ([gamma(0.45455)], COLOURS),
        ([gamma(0.45455), chromaticities(SRGB_XY)], COLOURS),
        ([gamma(0.45455), chromaticities(P3_XY)], profiles.shown(COLOURS, profiles.DISPLAY_P3, 2.2)),
        ([chromaticities(P3_XY)], COLOURS),
        ([gamma(1.0), chromaticities(P3_XY), bombs.chunk(b"sRGB", b"\0")], COLOURS),
        ([gamma(0)], COLOURS),
        ([gamma(1.0), chromaticities((0.0,) * 8)], COLOURS),
        ([gamma(1.0), chromaticities((0.3, 0.3) * 4)], COLOURS),
        ([cicp(1, 8)], profiles.encoded(COLOURS / 255)),
        ([cicp(1, 13)], COLOURS),
        ([cicp(1, 1)], profiles.encoded((COLOURS / 255) ** 2.4)),
        ([cicp(2, 2)], COLOURS),
        ([cicp(200, 99)], COLOURS),
        ([gamma(1.0), cicp(1, 13)], COLOURS),
        ([gamma(1.0), cicp(2, 2)], profiles.encoded(COLOURS / 255)),
    ],
)
def test_what_a_pngs_chunks_say_is_followed(chunks, wanted):
    assert np.abs(pixels(png(*chunks)) - wanted).max() <= 2


def test_wide_colours_by_number_are_those_of_their_profile():
    for data in (png(cicp(12, 4)), avif_with(12, 4)):
        colours = COLOURS if data.startswith(b"\x89PNG") else pixels(avif_with(1, 13))

        assert np.abs(pixels(data) - profiles.shown(colours, profiles.DISPLAY_P3, 2.2)).max() <= 2


def avif_with(primaries: int, transfer: int) -> bytes:
    plain = bombs.encoded(Image.fromarray(COLOURS), "AVIF", quality=100, subsampling="4:4:4")
    said = b"nclx" + struct.pack(">HH", 1, 13)
    assert said in plain
    return plain.replace(said, b"nclx" + struct.pack(">HH", primaries, transfer))


@pytest.mark.parametrize(("transfer", "white", "black"), [(16, 148, 0), (18, 191, 0)], ids=["PQ", "HLG"])
def test_white_of_a_bright_picture_is_white_here(transfer, white, black):
    """White is at 203 nits, 58 % of PQ and 75 % of HLG; brighter colours are cut off, as by FFmpeg's filters."""
    grey = np.array([black, white - 40, white - 2, white + 3, 255], np.uint8)[None, :, None].repeat(3, -1)

    got = pixels(png(cicp(9, transfer), colours=grey))[0, :, 1]

    assert got[0] == 0 and 100 < got[1] < 200 and 240 <= got[2] <= 255 and (got[3:] == 255).all()


@pytest.mark.parametrize("primaries", [4, 8, 9, 11, 12])
@pytest.mark.parametrize(("transfer", "grey"), [(16, 120), (18, 150)], ids=["PQ", "HLG"])
def test_grey_of_a_bright_picture_is_grey_whatever_its_white(primaries, transfer, grey):
    """Before, the white of cinemas was shown greenish."""
    got = pixels(png(cicp(primaries, transfer), colours=np.full((1, 1, 3), grey, np.uint8)))

    assert np.ptp(got.astype(int)) <= 1


def test_the_colours_of_an_uploads_edge_are_kept():
    """It is shrunk first, then converted, then laid over white."""
    picture = Image.new("RGBA", (2000, 1000), (200, 60, 60, 0))
    picture.paste((200, 60, 60, 255), (0, 0, 1000, 1000))
    data = with_profile(picture, profiles.rgb_profile(profiles.ADOBE, 2.2))

    style = np.array(read(data, UPLOAD, STYLE_SIDE_PX))

    np.testing.assert_allclose(style[256, 256], profiles.shown(np.array([200, 60, 60]), profiles.ADOBE, 2.2), atol=2)
    assert (style[256, 768] == 255).all()
