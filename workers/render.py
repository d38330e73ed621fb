"""Stylize files: `mvstylizer image` and `mvstylizer video`."""

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
from tqdm import tqdm

from clients.reassemble import apply_grid, blend_grids
from pipeline.codec import decode_image, read_picture
from pipeline.errors import BadSetting, MVStylizerError
from pipeline.keyframes import is_cut
from pipeline.picking import glance_at
from pipeline.styles import find_shipped, shipped
from workers.media import CONTAINERS, Clip, displayed_size, renamed_at_the_end, upright, writing

if TYPE_CHECKING:
    from edge.paper_stylizer import PaperStylizer
    from edge.stylizer import Stylizer

MAX_INTERVAL = 120  # frames between key frames wait in memory: 370 MB of them at 1920x1080
MAX_SIDE_PX = 16_000  # of an output; JPEG and WebP end near it
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
    parser.add_argument("--model", choices=["grid", "paper"], default="grid", help="paper: the paper's own")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the model's weights (default: the shipped ones)")
    parser.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 of model paper (default: torchvision's)")
    parser.epilog = "example:\n  mvstylizer image holiday.jpg dusk holiday-at-dusk.jpg --scale 0.5"


def run_image(args: argparse.Namespace) -> None:
    _check_strength(args.strength)
    if args.out.suffix.lower() not in PICTURES:
        raise BadSetting(f"{args.out} must end in {_choices(PICTURES)}.")
    _check_output(args.out, folder=False, force=args.force)
    content = _photo(args.content)
    size = _image_size(args.size, args.scale, content)
    style = style_picture(args.style)
    paint = paint_pixels if args.model == "paper" else paint_grid
    stylizer = load_paper(args.weights, args.vgg) if args.model == "paper" else load_stylizer(args.weights)
    stylize_image(content, args.out, stylizer, style, size=size, strength=args.strength, paint=paint)


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="IN", help="video file to stylize")
    parser.add_argument("out", type=Path, metavar="OUT", help="video to write, or a folder for lossless PNG frames")
    parser.add_argument("--style", required=True, metavar="STYLE", help="a photo, or the name of a shipped style")
    parser.add_argument("--key-frames", choices=["fixed"], default="fixed", help="how key frames are chosen")
    parser.add_argument("--interval", type=int, default=10, metavar="K", help="frames from key frame to key frame (10)")
    parser.add_argument("--every-frame", action="store_true", help="make each frame a key frame: slower")
    parser.add_argument("--size", metavar="WxH", help="size of the output (default: the video's)")
    _add_common_arguments(parser)
    parser.epilog = (
        "examples:\n"
        "  mvstylizer video walk.mp4 walk-in-autumn.mp4 --style autumn\n"
        "  mvstylizer video walk.mp4 frames/ --style photo.jpg --size 1280x720"
    )


def run_video(args: argparse.Namespace) -> None:
    _check_strength(args.strength)
    if not 1 <= args.interval <= MAX_INTERVAL:
        raise BadSetting(f"--interval must be 1 to {MAX_INTERVAL} frames, not {args.interval}.")
    folder = args.out.suffix.lower() not in CONTAINERS
    if folder and args.out.suffix and not args.out.is_dir():
        raise BadSetting(f"{args.out} must end in {_choices(CONTAINERS)}, or be a folder.")
    _check_output(args.out, folder=folder, force=args.force)
    size = parse_size(args.size) if args.size else displayed_size(args.input)
    style = style_picture(args.style)
    interval = 1 if args.every_frame else args.interval
    started_s = time.monotonic()
    with Clip(args.input) as clip:
        stylizer = load_stylizer()
        count = stylize_video(clip, args.out, stylizer, style, size=size, interval=interval, strength=args.strength)
    print(f"{args.out}: {count} frames, {count / (time.monotonic() - started_s):.1f} a second.")


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 no style, 1 all of it (default)")
    parser.add_argument("--force", action="store_true", help="replace an existing output")


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
    content: np.ndarray, out: Path, stylizer: "Stylizer | PaperStylizer", style: np.ndarray, *, size: tuple[int, int],
    strength: float, paint: Callable[..., np.ndarray] = paint_grid,
) -> None:
    """Write content (RGB uint8 H W 3) in the style of the picture style, at size (width, height)."""
    painted = paint(content, stylizer, style, size, strength)
    suffix = out.suffix.lower()
    _, data = cv2.imencode(suffix, cv2.cvtColor(painted, cv2.COLOR_RGB2BGR), PICTURES[suffix])
    with renamed_at_the_end(out) as unfinished:
        unfinished.write_bytes(data)


def stylize_video(
    clip: Clip, out: Path, stylizer: "Stylizer", style: np.ndarray, *, size: tuple[int, int], interval: int,
    strength: float,
) -> int:
    """Write clip in the style of the picture style at size (width, height); returns the number of frames."""
    statistics, state, count = stylizer.style(style), None, 0
    elapsed_s = float(interval / clip.rate)

    def key_frame(frame: av.VideoFrame, cut: bool) -> np.ndarray:
        nonlocal state
        grid, state = stylizer.follow(upright(frame), statistics, None if cut else state, elapsed_s=elapsed_s)
        return grid

    with writing(out, clip, size) as output, tqdm(total=clip.length, unit="frame", disable=None) as progress:
        frames = with_grids(clip.frames(output.sound), key_frame, interval)
        for count, (frame, grid) in enumerate(frames, 1):
            painted = apply_grid(resized(upright(frame), size), grid, strength=strength)
            output.write(painted, frame.pts)
            progress.update()
    return count


def with_grids(
    frames: Iterable[av.VideoFrame], stylize: Callable[[av.VideoFrame, bool], np.ndarray], interval: int
) -> Iterator[tuple[av.VideoFrame, np.ndarray]]:
    """Every frame with its grid: a key frame's own, and between two key frames a blend of theirs by time.

    Every interval-th frame is a key frame, and the first of each scene: across a cut nothing blends, and `stylize` is
    told of it.
    At most interval frames wait for the key frame after them.
    """
    held, grid = [], None
    for frame, cut in marked_cuts(frames):
        if held and not cut and len(held) < interval:
            held.append(frame)
            continue
        next_grid = stylize(frame, cut)
        yield from _blended(held, grid, grid if cut else next_grid)
        held, grid = [frame], next_grid
    yield from _blended(held, grid, grid)


def _blended(held: list[av.VideoFrame], grid: np.ndarray, next_grid: np.ndarray) -> Iterator[tuple]:
    for index, frame in enumerate(held):
        moving = index and next_grid is not grid and next_grid.shape == grid.shape
        yield frame, blend_grids(grid, next_grid, index / len(held)) if moving else grid


def marked_cuts(frames: Iterable[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame, bool]]:
    """Every frame with whether a new scene begins there."""
    before = None
    for frame in frames:
        glance = glance_at(frame)
        yield frame, before is not None and is_cut(before, glance)
        before = glance


def resized(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """RGB uint8 at size (width, height)."""
    if rgb.shape[1::-1] == size:
        return rgb
    smaller = size[0] < rgb.shape[1]
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def load_stylizer(weights: Path | None = None) -> "Stylizer":
    """Model grid, on one thread: the network is small, and decoder and encoder need the other cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch  # takes seconds: only after the arguments are known to be good

    from edge.stylizer import Stylizer

    torch.set_num_threads(1)
    return Stylizer.load(weights)


def load_paper(weights: Path | None, vgg: Path | None) -> "PaperStylizer":
    """Model paper; its weights go with the VGG-19 they were trained with, and with no other."""
    if weights is None and vgg is None:  # before 575 MB are downloaded that do not go with them
        raise BadSetting("The shipped weights of model paper go with the original VGG-19: name its file with --vgg.")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from edge.paper_stylizer import PaperStylizer  # torch takes seconds

    return PaperStylizer.load(weights, vgg)


def style_picture(path_or_name: str) -> np.ndarray:
    """RGB uint8 of a photo on disk, else of the shipped style with that name."""
    if Path(path_or_name).is_file():
        return _photo(Path(path_or_name))
    style = find_shipped(path_or_name)
    if style is None:
        names = ", ".join(style.name for style in shipped())
        raise BadSetting(f"{path_or_name} is neither a file nor a shipped style; these are: {names}.")
    return decode_image(style.jpeg)


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of "1280x720"."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise BadSetting(f"--size must be WIDTHxHEIGHT, for example 1280x720, not {text}.")
    return _checked_size(int(width), int(height))


def _image_size(size: str | None, scale: float | None, content: np.ndarray) -> tuple[int, int]:
    height, width = content.shape[:2]
    if size:
        return parse_size(size)
    if scale is None:
        return width, height
    if not 0 < scale < float("inf"):
        raise BadSetting(f"--scale must be a number above 0, not {scale}.")
    return _checked_size(max(1, round(width * scale)), max(1, round(height * scale)))


def _checked_size(width: int, height: int) -> tuple[int, int]:
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        raise BadSetting(f"The output's sides must be 1 to {MAX_SIDE_PX} px, not {width}x{height}.")
    return width, height


def _check_strength(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise BadSetting(f"--strength must be 0 to 1, not {strength}.")


def _check_output(out: Path, *, folder: bool, force: bool) -> None:
    if not out.absolute().parent.is_dir():
        raise BadSetting(f"The folder {out.parent} does not exist.")
    if out.exists() and out.is_dir() != folder:
        raise BadSetting(f"{out} is a {'file' if folder else 'folder'}, not a {'folder' if folder else 'file'}.")
    if folder and out.exists() and any(out.iterdir()) and not force:
        raise BadSetting(f"The folder {out} is not empty; --force replaces the frames in it.")
    if not folder and out.exists() and not force:
        raise BadSetting(f"{out} exists; --force replaces it.")


def _photo(path: Path) -> np.ndarray:
    if not path.is_file():
        raise BadSetting(f"{path} is not a file.")
    try:
        return read_picture(path.read_bytes())
    except MVStylizerError as error:
        raise BadSetting(f"{path}: {error}") from error


def _choices(suffixes: Iterable[str]) -> str:
    *others, last = suffixes
    return f"{', '.join(others)} or {last}"
