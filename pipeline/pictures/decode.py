"""Decodes JPEG, PNG, WebP and AVIF files to upright sRGB pictures with Pillow, within limits, without OpenCV or NumPy.

Even with limits, a decoder is an attacker's best way into a process. A file that comes from a stranger is therefore
decoded in a process of its own: see decode_process.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import AvifImagePlugin, Image, PngImagePlugin

from pipeline.contract.errors import BadImage, PictureTooHard
from pipeline.pictures import header_limits
from pipeline.pictures.declared_colours import in_srgb
from pipeline.pictures.exif import ORIENTATION
from pipeline.pictures.header_limits import UPLOAD, Limits

STYLE_SIDE_PX = 1024  # the statistics of a style hardly change with more pixels
THUMBNAIL_SIDE_PX = 240
#: These are tried in order until the style has at most STYLE_BYTES. Only noise needs the second quality, and only noise
#: in pure black and white needs the last.
STYLE_QUALITIES = (85, 60, 30, 10)
STYLE_BYTES = 300_000
THUMBNAIL_QUALITY = 82
#: The file's magic bytes choose one of these decoders; no other decoder ever sees the data.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
#: The transposition that turns a picture upright, by the value of EXIF's orientation tag.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Pillow calls a PNG with a longer colour profile damaged; profiles of real screens have up to 3 MB.
PngImagePlugin.MAX_TEXT_CHUNK = 4 << 20
#: The limit on processes that decode_process sets for itself forbids threads too.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


@dataclass(frozen=True, slots=True)
class StyleFiles:
    """The two JPEGs that are made from a picture that was uploaded as a style."""

    style: bytes  # STYLE_BYTES at most
    thumbnail: bytes


def style_files(data: bytes) -> StyleFiles:
    """Return the style and its thumbnail, given the bytes of a stranger's picture file; raises BadImage."""
    picture = read(data, UPLOAD, STYLE_SIDE_PX)
    files = (_jpeg(picture, quality) for quality in STYLE_QUALITIES)
    style = next((file for file in files if len(file) <= STYLE_BYTES), None)
    if style is None:
        raise PictureTooHard("The picture is nothing but noise.")
    picture.thumbnail((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX))
    return StyleFiles(style, _jpeg(picture, THUMBNAIL_QUALITY))


def thumbnail(jpeg: bytes) -> bytes:
    """Return a JPEG for the gallery whose longer side is at most THUMBNAIL_SIDE_PX, given a JPEG that we wrote."""
    with Image.open(BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.thumbnail((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX))
        return _jpeg(picture, THUMBNAIL_QUALITY)


def read(data: bytes, limits: Limits, max_side: int | None = None) -> Image.Image:
    """Return the picture in a file as upright sRGB over white, shrunk to at most `max_side` pixels on a side.

    Raises BadImage, with a sentence for the person who sent the file, and its subclass PictureTooHard at a limit.
    """
    with opened(data, limits) as image:
        return over_white(upright(image, data, max_side))


@contextmanager
def opened(data: bytes, limits: Limits) -> Iterator[Image.Image]:
    """Open a picture file as a Pillow image whose pixels are not decoded yet.

    Raises BadImage if the headers are bad or beyond `limits`, and also for any error inside the `with` block, since
    Pillow finds most damage only when the pixels are read.
    """
    try:
        pixels = header_limits.check(data, limits)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of each odd EXIF entry: one file can cause 5,000 lines
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > pixels:
                    raise BadImage("The picture is damaged: its headers contradict each other.")
                yield image
    except BadImage:
        raise
    except (Image.DecompressionBombError, MemoryError):
        raise PictureTooHard("The picture takes more memory than there is for it.") from None
    except Exception as error:  # decoders raise almost anything on hostile bytes: struct.error, SyntaxError, ...
        raise BadImage("The picture is damaged or incomplete.") from error


def upright(image: Image.Image, data: bytes, max_side: int | None = None) -> Image.Image:
    """Return the first frame of an opened picture as RGB or RGBA in sRGB, shrunk, and turned as EXIF says.

    `data` is the whole file. Colours are not multiplied by alpha.
    """
    if max_side:
        share = min(1.0, max_side / max(image.size))
        width, height = (max(1, int(side * share)) for side in image.size)
        image.draft(None, (width, height))  # this lets a JPEG be decoded at 1/2, 1/4 or 1/8 of its size
    pixels = _eight_bit(image)
    if max_side and max(pixels.size) > max_side:
        pixels.thumbnail((max_side, max_side))
    alpha = pixels.getchannel("A") if pixels.mode in ("LA", "RGBA") else None
    colours = in_srgb(pixels.convert(pixels.mode.removesuffix("A")) if alpha else pixels, image.info, data)
    if alpha:
        colours.putalpha(alpha)
    colours.info = image.info
    return _turned(colours)


def _turned(picture: Image.Image) -> Image.Image:
    """Turn the picture upright as its EXIF or XMP says; with damaged metadata, return it unchanged."""
    try:
        orientation = picture.getexif().get(ORIENTATION, 1)
    except MemoryError:
        raise
    except Exception:  # Pillow's parser raises almost anything on odd bytes
        return picture
    turn = TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return the picture as L, LA, RGB, RGBA or CMYK: palettes are resolved, but no colours are converted."""
    deep = any("16" in str(tile.args) for tile in getattr(image, "tile", ()))
    if deep and "transparency" in image.info:  # Pillow leaves the transparent colour at 16 bits
        image.info["transparency"] = _high_bytes(image.info["transparency"])
    if image.mode.startswith("I"):  # Pillow's own conversion clips at 255 instead of scaling
        grey = image.point(lambda value: value * (1 / 256)).convert("L")
        grey.info = image.info
        image = grey
    mode = {"1": "L", "L": "L", "LA": "LA", "CMYK": "CMYK"}.get(image.mode, "RGB")
    if image.has_transparency_data:
        mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
    return image if image.mode == mode else image.convert(mode)  # convert would copy 160 MB at 40 million pixels


def _high_bytes(colour: int | tuple[int, ...]) -> int | tuple[int, ...]:
    return colour >> 8 if isinstance(colour, int) else tuple(value >> 8 for value in colour)


def over_white(image: Image.Image) -> Image.Image:
    """Return an RGB or RGBA image as RGB, blended with white where it is transparent."""
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    picture.info = {}  # Pillow would write the comment and colour profile in here to the JPEG
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
