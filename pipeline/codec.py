"""Pictures between bytes and RGB arrays: OpenCV for our own bytes, Pillow with limits for everybody else's."""

from io import BytesIO

import cv2
import numpy as np
from PIL import Image, ImageOps

from pipeline.errors import BadImage

MAX_STYLE_BYTES = 10_000_000  # a phone's JPEG is 3-8 MB
MAX_STYLE_PIXELS = 40_000_000  # read from the header: a 0.7 MB PNG can decode into 1.5 GB
STYLE_SIDE_PX = 1024  # statistics of a style hardly change above it
MAX_PICTURE_PIXELS = 170_000_000  # the user's own file on the user's own machine: only a slip is caught
FORMATS = ("JPEG", "PNG", "WEBP")  # recognised by magic bytes; no other decoder ever sees the data


def encode_jpeg(rgb: np.ndarray, quality: int = 90) -> bytes:
    """JPEG bytes of an RGB uint8 picture, H W 3."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV encodes every RGB uint8 picture"
    return data.tobytes()


def decode_image(data: bytes) -> np.ndarray:
    """RGB uint8 H W 3 of bytes that one of our processes wrote; BadImage if they are damaged.

    Fast and without limits: bytes from outside go through `read_style`.
    """
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise BadImage("The picture's bytes are damaged.")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def read_style(data: bytes) -> np.ndarray:
    """RGB uint8 H W 3 of an untrusted JPEG, PNG or WebP file, upright, without metadata, at most 1024 px on a side.

    Size is checked before anything is decoded. Raises BadImage with one sentence for the person who sent it.
    """
    if len(data) > MAX_STYLE_BYTES:
        raise BadImage(f"The picture is larger than {MAX_STYLE_BYTES // 1_000_000} MB.")
    return _read(data, MAX_STYLE_PIXELS, STYLE_SIDE_PX)


def read_picture(data: bytes) -> np.ndarray:
    """RGB uint8 H W 3 of a user's own JPEG, PNG or WebP file, upright and at its full size; raises BadImage."""
    return _read(data, MAX_PICTURE_PIXELS, None)


def _read(data: bytes, max_pixels: int, max_side: int | None) -> np.ndarray:
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_pixels(image.size, max_pixels)
            return _upright_rgb(image, max_side)
    except BadImage:
        raise
    except Image.UnidentifiedImageError:
        raise BadImage("The file is not a JPEG, PNG or WebP picture.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(max_pixels) from None
    except Exception as error:  # decoders raise almost anything on hostile bytes: struct.error, SyntaxError, ...
        raise BadImage("The picture is damaged or incomplete.") from error


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise _too_many_pixels(max_pixels)


def _too_many_pixels(max_pixels: int) -> BadImage:
    return BadImage(f"The picture has more than {max_pixels // 1_000_000} million pixels.")


def _upright_rgb(image: Image.Image, max_side: int | None) -> np.ndarray:
    """First frame of an opened picture: shrunk, alpha over white, EXIF orientation applied."""
    if max_side:
        image.draft(None, (max_side, max_side))  # JPEG only: decodes straight to 1/2, 1/4 or 1/8
    colours = _eight_bit(image)
    if max_side and max(colours.size) > max_side:
        colours.thumbnail((max_side, max_side))
    upright = ImageOps.exif_transpose(_over_white(colours))
    return np.array(upright)


def _eight_bit(image: Image.Image) -> Image.Image:
    """The picture as RGB or RGBA; its metadata goes along, for the orientation."""
    if image.mode.startswith("I;16"):  # Pillow's own conversion clips at 255 instead of scaling
        grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
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
