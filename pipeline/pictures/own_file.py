"""Reads and writes the user's own picture files, in the user's own process."""

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from pipeline.pictures import decode, metadata
from pipeline.pictures.header_limits import OWN_FILE
from pipeline.pictures.metadata import Metadata

#: A lossy WebP has colours at half the resolution; sharp YUV keeps their edges.
ENCODINGS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "PNG": {"compress_level": 4},
    "WEBP": {"quality": 95, "use_sharp_yuv": True, "exact": True},
}


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded picture, upright and in sRGB, with its metadata."""

    rgb: np.ndarray  # uint8 H W 3, not multiplied by alpha
    alpha: np.ndarray | None = None  # uint8 H W
    metadata: Metadata = field(default_factory=Metadata)


def read_photo(data: bytes) -> Photo:
    """Decode a JPEG, PNG, WebP or AVIF file at its full size; raises BadImage."""
    with decode.opened(data, OWN_FILE) as image:
        picture = decode.upright(image, data)
        alpha = np.array(picture.getchannel("A")) if picture.mode == "RGBA" else None
        return Photo(np.array(picture.convert("RGB")), alpha, metadata.carried(image))


def read_picture(data: bytes, max_side: int | None = None) -> np.ndarray:
    """Decode a JPEG, PNG, WebP or AVIF file to sRGB, uint8 H W 3; raises BadImage.

    The picture is upright, over white where it is transparent, and at most `max_side` pixels wide and high.
    """
    return np.array(decode.read(data, OWN_FILE, max_side))


def encoded(photo: Photo, kind: str) -> bytes:
    """Return a picture file with the photo's metadata; `kind` is JPEG, PNG or WEBP. It declares its colours as sRGB.

    JPEG has no alpha, so that transparent pixels are blended with white.
    """
    picture = Image.fromarray(photo.rgb)
    if photo.alpha is not None:
        picture.putalpha(Image.fromarray(photo.alpha))
        if kind == "JPEG":
            picture = decode.over_white(picture)
    buffer = BytesIO()
    picture.save(buffer, kind, **ENCODINGS[kind], **metadata.options(photo.metadata, kind, picture.size))
    return buffer.getvalue()
