"""Stylize a photo: `mvstylizer image`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from clients.reassembly.grid import apply_grid
from pipeline.contract.errors import BadSetting
from workers.files.arguments import (
    add_common_arguments,
    check_output,
    check_strength,
    choices,
    image_size,
    photo,
    style_picture,
)
from workers.files.media import renamed_at_the_end, resized
from workers.files.model_loading import load_paper, load_stylizer

if TYPE_CHECKING:
    from edge.grid_model.stylizer import Stylizer
    from edge.paper_model.stylizer import PaperStylizer

#: Suffix of a picture -> encoder options. PNG is lossless.
PICTURES = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".png": [],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("content", type=Path, metavar="CONTENT", help="photo to stylize: JPEG, PNG or WebP")
    parser.add_argument("style", metavar="STYLE", help="a photo, or the name of a shipped style")
    parser.add_argument("out", type=Path, metavar="OUT", help="picture to write: .jpg, .png or .webp")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--size", metavar="WxH", help="size of the output (default: the photo's)")
    size.add_argument("--scale", type=float, metavar="R", help="the photo's size times R")
    add_common_arguments(parser)
    parser.epilog = "example:\n  mvstylizer image holiday.jpg dusk holiday-at-dusk.jpg --scale 0.5"


def run(args: argparse.Namespace) -> None:
    check_strength(args.strength)
    if args.out.suffix.lower() not in PICTURES:
        raise BadSetting(f"{args.out} must end in {choices(PICTURES)}.")
    check_output(args.out, folder=False, force=args.force)
    content = photo(args.content)
    size = image_size(args.size, args.scale, content)
    style = style_picture(args.style)
    paint = paint_pixels if args.model == "paper" else paint_grid
    stylizer = load_paper(args.weights, args.vgg) if args.model == "paper" else load_stylizer(args.weights)
    stylize_image(content, args.out, stylizer, style, size=size, strength=args.strength, paint=paint)


def paint_grid(
    content: np.ndarray, stylizer: "Stylizer", style: np.ndarray, size: tuple[int, int], strength: float
) -> np.ndarray:
    """Content (RGB uint8 H W 3) in the style of the picture style, at size (width, height)."""
    return apply_grid(resized(content, size), stylizer.stylize(content, stylizer.style(style)), strength=strength)


def paint_pixels(
    content: np.ndarray, stylizer: "PaperStylizer", style: np.ndarray, size: tuple[int, int], strength: float
) -> np.ndarray:
    """The same with a model that draws the picture itself."""
    painted = stylizer.stylize(content, stylizer.style(style), size=size)
    return cv2.addWeighted(painted, strength, resized(content, size), 1 - strength, 0)


def stylize_image(
    content: np.ndarray,
    out: Path,
    stylizer: "Stylizer | PaperStylizer",
    style: np.ndarray,
    *,
    size: tuple[int, int],
    strength: float,
    paint: Callable[..., np.ndarray] = paint_grid,
) -> None:
    """Write content (RGB uint8 H W 3) in the style of the picture style, at size (width, height)."""
    painted = paint(content, stylizer, style, size, strength)
    suffix = out.suffix.lower()
    _, data = cv2.imencode(suffix, cv2.cvtColor(painted, cv2.COLOR_RGB2BGR), PICTURES[suffix])
    with renamed_at_the_end(out) as unfinished:
        unfinished.write_bytes(data)
