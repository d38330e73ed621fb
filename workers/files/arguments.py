"""Checks the arguments of `mvstylizer image`, `video` and `lut` before anything is loaded.

Wrong arguments raise BadSetting with a sentence for the user.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from clients.feeds.arguments import STRENGTH_HELP, parse_size
from clients.feeds.inputs import STANDARD_STREAM, shown
from pipeline.contract.errors import BadImage, BadSetting
from pipeline.contract.image_codec import decode_image
from pipeline.pictures.own_file import Photo, read_photo, read_picture
from pipeline.styles.catalog import OWN_MOOD, find_shipped, mood_of, shipped

STYLIZER_HELP = "the model: grid (default), paper, onnx:FILE, or one that a package of yours offers"
MAX_SIDE_PX = 16_000  # of an output; the limit of WebP is near it
MAX_PICTURE_BYTES = 512 << 20
Picture = TypeVar("Picture")


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    add_look_arguments(parser)
    parser.add_argument("--stylizer", "--model", default="grid", metavar="NAME", help=STYLIZER_HELP)
    parser.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19, for model paper and for --refine")


def add_look_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that do not depend on the model."""
    parser.add_argument("--strength", type=float, default=1.0, metavar="S", help=STRENGTH_HELP)
    parser.add_argument(
        "--mood", type=float, metavar="M", help="0: the style's grade; 1: all (default, but for shipped styles)"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the model's weights (default: the shipped ones)")


def style_picture(path_or_name: str) -> np.ndarray:
    """Return the picture of a style, RGB uint8 H W 3: a photo on disk, or else the shipped style with that name."""
    if os.path.isfile(path_or_name):
        return _read(Path(path_or_name), read_picture)
    style = find_shipped(path_or_name)
    if style is None and os.path.isdir(path_or_name):
        raise BadSetting(f"{shown(path_or_name)} is a folder, not a picture.")
    if style is None:
        names = ", ".join(style.name for style in shipped())
        raise BadSetting(f"{shown(path_or_name)} is neither a file nor a shipped style; these are: {names}.")
    return decode_image(style.jpeg)


def image_size(size: str | None, scale: float | None, content: np.ndarray) -> tuple[int, int]:
    """Return the output's width and height by --size or --scale, or those of `content` without either."""
    height, width = content.shape[:2]
    if size:
        return output_size(size)
    if scale is None:
        return width, height
    if not 0 < scale < float("inf"):
        raise BadSetting(f"--scale must be a number above 0, not {scale}.")
    return _checked_size(max(1, round(width * scale)), max(1, round(height * scale)))


def output_size(text: str) -> tuple[int, int]:
    """Return the width and height in the option --size, a text like "1280x720"."""
    return _checked_size(*parse_size(text, "--size"))


def _checked_size(width: int, height: int) -> tuple[int, int]:
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        raise BadSetting(f"The output's sides must be 1 to {MAX_SIDE_PX} px, not {width}x{height}.")
    return width, height


def checked_mood(mood: float | None, style: str, model: str = "grid") -> float:
    """Return --mood, or the one that suits the style, a file or a name, if it is not given."""
    if mood is None:
        return OWN_MOOD if os.path.isfile(style) else mood_of(style)
    if not 0 <= mood <= 1:
        raise BadSetting(f"--mood must be 0 to 1, not {mood}.")
    if model != "grid":
        raise BadSetting("--mood is for the looks of model grid only.")
    return mood


def photo(path: Path) -> Photo:
    """Read a photo from a file, a pipe, or standard input, which is `-`."""
    return _read(path, read_photo)


def _read(path: Path, reader: Callable[[bytes], Picture]) -> Picture:
    try:
        data = _contents(path)
    except OSError as error:
        raise BadSetting(f"{shown(path)} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_PICTURE_BYTES:
        raise BadSetting(f"{shown(path)} has more than {MAX_PICTURE_BYTES >> 20} MB, too many for a picture.")
    try:
        return reader(data)
    except BadImage as error:
        raise BadSetting(f"{shown(path)}: {error}") from error


def _contents(path: Path) -> bytes:
    """Return the file's contents, up to one byte more than a picture may have."""
    if path == STANDARD_STREAM:
        return sys.stdin.buffer.read(MAX_PICTURE_BYTES + 1)
    if not path.exists():
        raise BadSetting(f"{shown(path)} is not a file.")
    if path.is_dir():
        raise BadSetting(f"{shown(path)} is a folder, not a picture.")
    with path.open("rb") as file:
        return file.read(MAX_PICTURE_BYTES + 1)
