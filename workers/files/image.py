"""The command `mvstylizer image`: stylizes a photo, or all photos of a folder."""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from clients.feeds.arguments import check_strength
from clients.feeds.inputs import listed, shown
from clients.media.geometry import resized
from clients.media.names import check_output, renamed_at_the_end
from clients.reassembly.grid import apply_grid
from pipeline.contract.errors import BadSetting
from pipeline.pictures.own_file import Photo, encoded
from workers.files.arguments import (
    add_common_arguments,
    checked_mood,
    image_size,
    photo,
    style_picture,
)
from workers.files.folder import check_folders, stylize_folder
from workers.files.model_loading import load_features, load_paper, load_stylizer

if TYPE_CHECKING:
    from edge.grid_model.stylizer import GridStylizer
    from edge.paper_model.stylizer import PaperStylizer

#: The format of a picture by the suffix of its name.
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
#: The longest side that a format allows; PNG has no such limit.
MOST_PX = {"JPEG": 65_500, "WEBP": 16_383}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "content", type=Path, metavar="CONTENT", help="photo (JPEG, PNG, WebP, AVIF), or a folder of photos"
    )
    parser.add_argument("style", metavar="STYLE", help="a photo, or the name of a shipped style")
    parser.add_argument("out", type=Path, metavar="OUT", help="picture to write, .jpg, .png or .webp, or a folder")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--size", metavar="WxH", help="size of the output (default: the photo's)")
    size.add_argument("--scale", type=float, metavar="R", help="the photo's size times R")
    add_common_arguments(parser)
    parser.add_argument(
        "--refine", type=int, metavar="N", help="improve the look of this one photo in N steps; 60 take about a minute"
    )
    parser.epilog = (
        "examples:\n"
        "  mvstylizer image holiday.jpg dusk holiday-at-dusk.jpg --scale 0.5\n"
        "  mvstylizer image holiday.jpg sunset.jpg best.png --refine 60\n"
        "  mvstylizer image holidays/ dusk holidays-at-dusk/"
    )


def run(args: argparse.Namespace) -> None:
    started_s = time.monotonic()
    check_strength(args.strength)
    mood = checked_mood(args.mood, args.style, args.stylizer)
    check_refine(args.refine, args.stylizer)
    if args.refine is not None and args.mood is not None:
        raise BadSetting("--refine improves looks with all of their mood, so --mood has no use beside it.")
    is_folder = os.path.isdir(args.content) and args.out.suffix.lower() not in FORMATS
    if is_folder:
        check_folders(args.content, args.out)
    else:
        check_picture_name(args.out)
        check_output(args.out, folder=False, force=args.force)
    content = None if is_folder else photo(args.content)
    size = image_size(args.size, args.scale, content.rgb) if content else None
    if size:
        check_side(size, FORMATS[args.out.suffix.lower()])
    stylize = stylized_by(args, mood)
    if content and size:
        stylize(content, args.out, size=size)
        print(f"{shown(args.out)}: {size[0]}x{size[1]}, {time.monotonic() - started_s:.1f} s.")
        return

    def stylize_file(file: Path, out: Path) -> None:
        found = photo(file)
        wanted = image_size(args.size, args.scale, found.rgb)
        check_side(wanted, FORMATS[out.suffix.lower()])
        stylize(found, out, size=wanted)

    stylize_folder(args.content, args.out, stylize_file, force=args.force)


def stylized_by(args: argparse.Namespace, mood: float) -> Callable[..., None]:
    """Load the model and the style that the arguments name; return `stylize_image` with both."""
    style, is_paper = style_picture(args.style), args.stylizer == "paper"
    paint = paint_pixels if is_paper else partial(paint_grid, mood=mood)
    if args.refine is not None:
        paint = partial(paint_refined, steps=args.refine, vgg=args.vgg)
    stylizer = load_paper(args.weights, args.vgg) if is_paper else load_stylizer(args.weights, args.stylizer)
    return partial(stylize_image, stylizer=stylizer, style=style, strength=args.strength, paint=paint)


def check_picture_name(out: Path) -> None:
    if out.suffix.lower() not in FORMATS:
        raise BadSetting(f"{shown(out)} must end in {listed(FORMATS)}.")


def check_side(size: tuple[int, int], kind: str) -> None:
    most = MOST_PX.get(kind, max(size))
    if max(size) > most:
        raise BadSetting(f"The sides of a {kind} picture have at most {most} px, not {max(size)}; write a .png.")


def check_refine(steps: int | None, model: str) -> None:
    if steps is not None and steps < 1:
        raise BadSetting(f"--refine must be 1 or more, not {steps}.")
    if steps is not None and model != "grid":
        raise BadSetting("--refine improves the looks of model grid only.")


def stylize_image(
    content: Photo,
    out: Path,
    *,
    stylizer: "GridStylizer | PaperStylizer",
    style: np.ndarray,
    size: tuple[int, int],
    strength: float,
    paint: Callable[..., np.ndarray],
) -> None:
    """Write `content` in the style of the picture `style` (RGB uint8 H W 3), at `size` (width, height).

    `paint` is paint_grid, paint_refined or paint_pixels, as the model needs it.
    """
    target, alpha = at_size(content, size)
    painted = paint(without_hidden(content), target, stylizer, style, strength)
    data = encoded(Photo(painted, alpha, content.metadata), FORMATS[out.suffix.lower()])
    with renamed_at_the_end(out) as unfinished:
        unfinished.write_bytes(data)


def paint_grid(
    content: np.ndarray,
    target: np.ndarray,
    stylizer: "GridStylizer",
    style: np.ndarray,
    strength: float,
    *,
    mood: float = 1.0,
) -> np.ndarray:
    """Return `target` in the style of the picture `style`; `target` is `content` at the output's size.

    All pictures are RGB uint8 H W 3.
    """
    grid = stylizer.stylize(content, stylizer.style(style, mood))
    return apply_grid(target, grid, strength=strength, dither=True)


def paint_refined(
    content: np.ndarray,
    target: np.ndarray,
    stylizer: "GridStylizer",
    style: np.ndarray,
    strength: float,
    *,
    steps: int,
    vgg: Path | None,
) -> np.ndarray:
    """Do the same as paint_grid with a grid that is refined first, while a bar shows the progress.

    Its style is compared by the features of VGG-19, from the file `vgg`, or by those of the shipped encoder.
    """
    from edge.training.refinement import Refinement  # it imports torch, which takes seconds

    refinement = Refinement(stylizer, content, style, load_features(vgg, stylizer.device))
    for _ in tqdm(refinement.steps(steps), total=steps, desc="refining", unit="step", disable=None):
        pass
    return apply_grid(target, refinement.grid(), strength=strength, dither=True)


def paint_pixels(
    content: np.ndarray, target: np.ndarray, stylizer: "PaperStylizer", style: np.ndarray, strength: float
) -> np.ndarray:
    """Do the same as paint_grid with a model that returns pixels."""
    painted = stylizer.stylize(content, stylizer.style(style), size=target.shape[1::-1])
    return cv2.addWeighted(painted, strength, target, 1 - strength, 0)


def at_size(content: Photo, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return a photo's RGB (uint8 H W 3) and alpha (uint8 H W) at `size` (width, height).

    Colours are weighted with their alpha, so that transparent pixels do not colour their neighbours.
    """
    if content.alpha is None or content.rgb.shape[1::-1] == size:
        return resized(content.rgb, size), content.alpha
    seen = content.alpha[..., None].astype(np.float32)
    colours, weights = resized(content.rgb * seen, size), resized(seen, size)[..., None]
    straight = colours / np.maximum(weights, 1)
    return straight.clip(0, 255).round().astype(np.uint8), resized(content.alpha, size)


def without_hidden(content: Photo) -> np.ndarray:
    """Return the photo for the model, RGB uint8 H W 3: transparent pixels get the mean colour of the others."""
    hidden = None if content.alpha is None else content.alpha == 0
    if hidden is None or hidden.all() or not hidden.any():
        return content.rgb
    rgb = content.rgb.copy()
    rgb[hidden] = content.rgb[~hidden].mean(0)
    return rgb
