"""Other people's JPEG, PNG and WebP files as upright RGB pictures: Pillow, within limits. No OpenCV, and no numpy.

Even so a decoder is the best way into a process. A stranger's file is read in one of its own: see decode_process.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

from pipeline.contract.errors import BadImage, PictureTooHard
from pipeline.pictures import header_limits
from pipeline.pictures.header_limits import UPLOAD, Limits

STYLE_SIDE_PX = 1024  # statistics of a style hardly change above it
THUMBNAIL_SIDE_PX = 240
#: Tried in this order until a style has STYLE_BYTES at most; only noise needs the second, and black on white the last.
STYLE_QUALITIES = (85, 60, 30, 10)
STYLE_BYTES = 300_000
THUMBNAIL_QUALITY = 82
FORMATS = ("JPEG", "PNG", "WEBP")  # recognised by magic bytes; no other decoder ever sees the data


@dataclass(frozen=True, slots=True)
class StyleFiles:
    """A picture that was read, as two JPEGs of our own making."""

    style: bytes  # STYLE_BYTES at most
    thumbnail: bytes


def style_files(data: bytes) -> StyleFiles:
    """Of a stranger's picture; raises BadImage."""
    picture = read(data, UPLOAD, STYLE_SIDE_PX)
    files = (_jpeg(picture, quality) for quality in STYLE_QUALITIES)
    style = next((file for file in files if len(file) <= STYLE_BYTES), None)
    if style is None:
        raise PictureTooHard("The picture is nothing but noise.")
    picture.thumbnail((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX))
    return StyleFiles(style, _jpeg(picture, THUMBNAIL_QUALITY))


def thumbnail(jpeg: bytes) -> bytes:
    """A JPEG whose longer side is at most THUMBNAIL_SIDE_PX, for the gallery, of one of our own."""
    with Image.open(BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.thumbnail((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX))
        return _jpeg(picture, THUMBNAIL_QUALITY)


def read(data: bytes, limits: Limits, max_side: int | None = None) -> Image.Image:
    """Upright RGB without metadata, transparency over white, at most `max_side` px on a side.

    Raises BadImage with one sentence for whom the file is from; PictureTooHard where a limit stopped it.
    """
    try:
        pixels = header_limits.check(data, limits)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one for each odd entry of an EXIF header: 5,000 lines
            return _open(data, pixels, max_side)
    except BadImage:
        raise
    except (Image.DecompressionBombError, MemoryError):
        raise PictureTooHard("The picture takes more memory than there is for it.") from None
    except Exception as error:  # decoders raise almost anything on hostile bytes: struct.error, SyntaxError, ...
        raise BadImage("The picture is damaged or incomplete.") from error


def _open(data: bytes, pixels: int, max_side: int | None) -> Image.Image:
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > pixels:
            raise BadImage("The picture is damaged: its headers contradict each other.")
        return _upright_rgb(image, max_side)


def _upright_rgb(image: Image.Image, max_side: int | None) -> Image.Image:
    """First frame of an opened picture: shrunk, alpha over white, EXIF orientation applied.

    Its colours are taken for sRGB. What its profile says belongs between shrinking and laying over white.
    """
    if max_side:
        share = min(1.0, max_side / max(image.size))
        image.draft(None, [max(1, int(side * share)) for side in image.size])  # JPEG: decodes to 1/2, 1/4 or 1/8
    colours = _eight_bit(image)
    if max_side and max(colours.size) > max_side:
        colours.thumbnail((max_side, max_side))
    return ImageOps.exif_transpose(_over_white(colours))


def _eight_bit(image: Image.Image) -> Image.Image:
    """The picture as RGB or RGBA; its metadata goes along, for the orientation."""
    if image.mode.startswith("I;16"):  # Pillow's own conversion clips at 255 instead of scaling
        grey = image.point(lambda value: value * (1 / 256)).convert("L")
        grey.info = {key: value for key, value in image.info.items() if key != "transparency"}
        image = grey
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)  # convert would copy 160 MB at 40 million pixels


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    flat = white.convert("RGB")
    flat.info = image.info
    return flat


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    picture.info = {}  # a JPEG takes comments and profiles over from it
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
