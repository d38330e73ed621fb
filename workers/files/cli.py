"""Stylize files: `mvstylizer image` and `mvstylizer video`."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from clients.reassembly.flow import ESTIMATORS
from clients.reassembly.grid import apply_grid
from pipeline.contract.errors import BadSetting
from workers.files.arguments import check_output, check_strength, choices, image_size, parse_size, photo, style_picture
from workers.files.key_frame_answers import Answer, GridAnswers, PaperAnswers
from workers.files.key_frames import CHOICES, MAX_INTERVAL, Marked
from workers.files.media import CONTAINERS, Clip, displayed_size, renamed_at_the_end, resized
from workers.files.model_loading import load_paper, load_stylizer
from workers.files.video import MODES, stylize_video

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


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("content", type=Path, metavar="CONTENT", help="photo to stylize: JPEG, PNG or WebP")
    parser.add_argument("style", metavar="STYLE", help="a photo, or the name of a shipped style")
    parser.add_argument("out", type=Path, metavar="OUT", help="picture to write: .jpg, .png or .webp")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--size", metavar="WxH", help="size of the output (default: the photo's)")
    size.add_argument("--scale", type=float, metavar="R", help="the photo's size times R")
    _add_common_arguments(parser)
    parser.epilog = "example:\n  mvstylizer image holiday.jpg dusk holiday-at-dusk.jpg --scale 0.5"


def run_image(args: argparse.Namespace) -> None:
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


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="IN", help="video file to stylize")
    parser.add_argument("out", type=Path, metavar="OUT", help="video to write, or a folder for lossless PNG frames")
    parser.add_argument("--style", required=True, metavar="STYLE", help="a photo, or the name of a shipped style")
    parser.add_argument(
        "--key-frames",
        choices=list(CHOICES),
        default="fixed",
        help="fixed: one in K (default); content: where the picture changes, and one in K at least; "
        "codec: the file's own intra frames",
    )
    parser.add_argument("--interval", type=int, default=10, metavar="K", help="frames from key frame to key frame (10)")
    parser.add_argument("--every-frame", action="store_true", help="make each frame a key frame: slower")
    parser.add_argument(
        "--mode",
        choices=list(MODES),
        help="other frames: grid, the key frames' colour transforms along the flow (default); residual, their pixels "
        "and the change since (default of model paper); warp, their pixels alone, as in the paper",
    )
    parser.add_argument(
        "--flow", choices=list(ESTIMATORS), default="dis", help="dis (default); lk: Lucas-Kanade, as in the paper; none"
    )
    parser.add_argument("--size", metavar="WxH", help="size of the output (default: the video's)")
    _add_common_arguments(parser)
    parser.epilog = (
        "examples:\n"
        "  mvstylizer video walk.mp4 walk-in-autumn.mp4 --style autumn\n"
        "  mvstylizer video walk.mp4 frames/ --style photo.jpg --size 1280x720 --key-frames content --interval 30"
    )


def run_video(args: argparse.Namespace) -> None:
    check_strength(args.strength)
    _check_video(args)
    size = parse_size(args.size) if args.size else displayed_size(args.input)
    style = style_picture(args.style)
    choose, interval = ("fixed", 1) if args.every_frame else (args.key_frames, args.interval)
    started_s = time.monotonic()
    with Clip(args.input) as clip:
        count = stylize_video(
            clip,
            args.out,
            _answers(args, clip, style, size),
            choice=CHOICES[choose](interval),
            mode=MODES[args.mode or _default_mode(args)],
            estimate=ESTIMATORS[args.flow](),
            size=size,
        )
    print(f"{args.out}: {count} frames, {count / (time.monotonic() - started_s):.1f} a second.")


def _check_video(args: argparse.Namespace) -> None:
    if not 1 <= args.interval <= MAX_INTERVAL:
        raise BadSetting(f"--interval must be 1 to {MAX_INTERVAL} frames, not {args.interval}.")
    if args.model == "paper" and args.mode == "grid":
        raise BadSetting("Model paper answers with pixels: take --mode residual or warp.")
    folder = args.out.suffix.lower() not in CONTAINERS
    if folder and args.out.suffix and not args.out.is_dir():
        raise BadSetting(f"{args.out} must end in {choices(CONTAINERS)}, or be a folder.")
    check_output(args.out, folder=folder, force=args.force)


def _default_mode(args: argparse.Namespace) -> str:
    return "residual" if args.model == "paper" else "grid"


def _answers(
    args: argparse.Namespace, clip: Clip, style: np.ndarray, size: tuple[int, int]
) -> Callable[[Marked], Answer]:
    if args.model == "paper":
        return PaperAnswers(load_paper(args.weights, args.vgg), style, size=size, strength=args.strength)
    return GridAnswers(load_stylizer(args.weights), style, size=size, strength=args.strength, rate=clip.rate)


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 no style, 1 all of it (default)")
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    parser.add_argument("--model", choices=["grid", "paper"], default="grid", help="paper: the paper's own")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the model's weights (default: the shipped ones)")
    parser.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 of model paper (default: torchvision's)")


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
