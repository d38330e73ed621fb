"""Other people's JPEG, PNG, WebP and AVIF files as upright sRGB pictures: Pillow, within limits. No OpenCV or NumPy.

Even so a decoder is the best way into a process. A stranger's file is read in one of its own: see decode_process.
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

STYLE_SIDE_PX = 1024  # statistics of a style hardly change above it
THUMBNAIL_SIDE_PX = 240
#: Tried in this order until a style has STYLE_BYTES at most; only noise needs the second, and black on white the last.
STYLE_QUALITIES = (85, 60, 30, 10)
STYLE_BYTES = 300_000
THUMBNAIL_QUALITY = 82
#: Recognised by magic bytes; no other decoder ever sees the data.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: A PNG with a longer profile would count as damaged; those of screens have up to 3 MB.
PngImagePlugin.MAX_TEXT_CHUNK = 4 << 20
#: A process that may start no other may start no thread either.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


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
    """Upright sRGB without metadata, transparency over white, at most `max_side` px on a side.

    Raises BadImage with one sentence for whom the file is from; PictureTooHard where a limit stopped it.
    """
    with opened(data, limits) as image:
        return over_white(upright(image, data, max_side))


@contextmanager
def opened(data: bytes, limits: Limits) -> Iterator[Image.Image]:
    """The file, as Pillow has it; raises BadImage, also for what goes wrong while its pixels are read."""
    try:
        pixels = header_limits.check(data, limits)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one for each odd entry of an EXIF header: 5,000 lines
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
    """First frame of an opened picture as RGB or RGBA in sRGB: shrunk, and turned as EXIF says.

    Colours are not multiplied by alpha.
    """
    if max_side:
        share = min(1.0, max_side / max(image.size))
        width, height = (max(1, int(side * share)) for side in image.size)
        image.draft(None, (width, height))  # JPEG: decodes to 1/2, 1/4 or 1/8
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
    """As EXIF says, or XMP; if they are damaged, the picture is as it is."""
    try:
        orientation = picture.getexif().get(ORIENTATION, 1)
    except MemoryError:
        raise
    except Exception:  # Pillow's parser raises almost anything on odd bytes
        return picture
    turn = TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _eight_bit(image: Image.Image) -> Image.Image:
    """The picture as L, LA, RGB, RGBA or CMYK: the numbers are the file's, without its palette."""
    deep = any("16" in str(tile.args) for tile in getattr(image, "tile", ()))
    if deep and "transparency" in image.info:  # the colour that is transparent, which Pillow leaves at 16 bits
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
    """RGB of RGB or RGBA."""
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    picture.info = {}  # a JPEG takes comments and profiles over from it
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
