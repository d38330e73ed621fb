"""Converts pixels to sRGB by an ICC profile, by code points or by PNG's gamma; LittleCMS, through Pillow, does it."""

import logging
from functools import cache
from io import BytesIO

from PIL import Image, ImageCms

from pipeline.pictures.colour import hdr
from pipeline.pictures.colour.code_points import CURVES, HLG, PQ, PRIMARIES
from pipeline.pictures.colour.icc_profile import matrix_profile
from pipeline.pictures.colour.primaries import SRGB, Primaries
from pipeline.pictures.colour.transfer import SRGB_CURVE, power

logger = logging.getLogger(__name__)

#: The profile of every picture that we write.
SRGB_PROFILE = matrix_profile(SRGB, SRGB_CURVE, "sRGB")
#: Pillow's mode for the colour space of a profile.
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
#: The classes of profiles that describe pixels; device links, abstract profiles and named colours do not.
CLASSES = ("scnr", "mntr", "prtr", "spac")
#: Where a profile's table of tags begins, and the size of an entry. LittleCMS reads no more tags than this.
TAG_TABLE, TAG_BYTES, MAX_TAGS = 132, 12, 100
PROGRAMS = (b"D2B0", b"D2B1", b"D2B2", b"D2B3")
#: Writers of PNG mean sRGB by the gamma 45455, and libpng reads it so. Files differ from it by their rounding.
SRGB_GAMMA = 0.45455
SRGB_GAMMA_ROOM, SRGB_XY_ROOM = 0.0005, 0.002


def by_profile(colours: Image.Image, profile: bytes) -> Image.Image:
    """Return an L, RGB or CMYK image as sRGB. A damaged or unsuitable profile is ignored, as browsers ignore it."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(_without_programs(profile)))
        space, kind = source.profile.xcolor_space.strip(), source.profile.device_class
        if colours.mode == "L" and space == "RGB":
            colours = colours.convert("RGB")
        if kind in CLASSES and MODES.get(space) == colours.mode:
            done = ImageCms.profileToProfile(colours, source, _screen(), outputMode="RGB")
            assert done is not None, "only a conversion in place returns nothing"
            return done
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        logger.info("a colour profile is ignored: %s", error)
    return colours.convert("RGB")


def _without_programs(profile: bytes) -> bytes:
    """Return the profile without its floating-point pipelines (the tags D2Bx).

    Evaluating 8 KB of such pipelines can take seconds, and a profile always holds another form of the same conversion.
    """
    kept = bytearray(profile)
    for offset in range(TAG_TABLE, min(len(kept), TAG_TABLE + MAX_TAGS * TAG_BYTES), TAG_BYTES):
        if kept[offset : offset + 4] in PROGRAMS:
            kept[offset : offset + 4] = b"none"
    return bytes(kept)


@cache
def _screen() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(BytesIO(SRGB_PROFILE))


def known(primaries: int, transfer: int) -> bool:
    """Return whether these code points define a colour space: in H.273, 2 is unspecified, and some are reserved."""
    return primaries in PRIMARIES and (transfer in CURVES or transfer in (PQ, HLG))


def by_code_points(colours: Image.Image, primaries: int, transfer: int) -> Image.Image:
    """Return an L or RGB image as sRGB, given code points that are `known`."""
    rgb = colours.convert("RGB")
    if transfer in (PQ, HLG):
        return rgb.filter(hdr.to_srgb(primaries, transfer))
    if (PRIMARIES[primaries], CURVES[transfer]) == (SRGB, SRGB_CURVE):
        return rgb
    return by_profile(rgb, matrix_profile(PRIMARIES[primaries], CURVES[transfer], "by code points"))


def by_gamma(colours: Image.Image, gamma: float, chromaticities: tuple[float, ...] | None) -> Image.Image:
    """Return an L or RGB image as sRGB, given PNG's gAMA and cHRM: x and y of white, red, green and blue."""
    rgb = colours.convert("RGB")
    primaries = SRGB
    if chromaticities and not _nearly(chromaticities, SRGB):
        white, red, green, blue = zip(chromaticities[::2], chromaticities[1::2])
        primaries = Primaries(white, red, green, blue)
    elif abs(gamma - SRGB_GAMMA) <= SRGB_GAMMA_ROOM:
        return rgb
    try:
        return by_profile(rgb, matrix_profile(primaries, power(1 / gamma), "by gamma"))
    except (ArithmeticError, ValueError) as error:
        logger.info("invalid primaries are ignored: %s", error)
        return rgb


def _nearly(chromaticities: tuple[float, ...], primaries: Primaries) -> bool:
    wanted = (*primaries.white, *primaries.red, *primaries.green, *primaries.blue)
    return all(abs(a - b) <= SRGB_XY_ROOM for a, b in zip(chromaticities, wanted))
