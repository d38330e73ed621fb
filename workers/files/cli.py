"""The command `mvstylizer video`: stylizes a video, every frame of it."""

import argparse
import time
from collections.abc import Callable

import numpy as np

from clients.feeds.arguments import (
    INPUT_HELP,
    OUTPUT_HELP,
    add_input_arguments,
    add_output_arguments,
    check_strength,
    input_of,
    seconds_of,
)
from clients.feeds.outputs import Target, claimed, find_target
from clients.media.clip import Clip
from clients.media.encoding import KNOWN, Encoding, check_encoding
from clients.media.names import check_target
from clients.media.writer import usual_size
from clients.reassembly.flow import ESTIMATORS
from pipeline.contract.errors import BadSetting
from workers.files.arguments import (
    add_common_arguments,
    checked_mood,
    output_size,
    style_picture,
)
from workers.files.key_frame_answers import Answer, GridAnswers, PaperAnswers
from workers.files.key_frames import CHOICES, MAX_INTERVAL, Marked
from workers.files.model_loading import load_paper, load_stylizer
from workers.files.painting import MODES
from workers.files.video import stylize_video

#: The model's own looks stay at their places when the scene moves, and so do those between its key frames; pixels move.
DEFAULT_FLOW = {"grid": "none", "residual": "dis", "warp": "dis"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN", help=INPUT_HELP)
    parser.add_argument("out", metavar="OUT", help=f"{OUTPUT_HELP}, or a folder for lossless PNG frames")
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
        help="other frames: grid, the key frames' colour transforms (default); residual, their pixels "
        "and the change since (default of model paper); warp, their pixels alone, as in the paper",
    )
    parser.add_argument(
        "--flow",
        choices=list(ESTIMATORS),
        help="dis (default of other modes than grid); lk: Lucas-Kanade, as in the paper; none (default of mode grid)",
    )
    parser.add_argument("--size", metavar="WxH", help="size of the output (default: the video's)")
    parser.add_argument("--encoder", metavar="NAME", help=f"FFmpeg's encoder (default: by OUT's suffix): {KNOWN}")
    parser.add_argument("--crf", type=int, metavar="Q", help="quality of the encoder; less is better, and larger")
    parser.add_argument("--preset", metavar="NAME", help="the encoder's preset, from fast to thorough")
    add_input_arguments(parser)
    add_output_arguments(parser)
    add_common_arguments(parser)
    parser.epilog = (
        "examples:\n"
        "  mvstylizer video walk.mp4 walk-in-autumn.mp4 --style autumn\n"
        "  mvstylizer video walk.mp4 walk-in-autumn.mp4 --style autumn --encoder libx265 --crf 24 --preset medium\n"
        "  mvstylizer video walk.mp4 frames/ --style photo.jpg --size 1280x720 --key-frames content --interval 30"
    )


def run(args: argparse.Namespace) -> None:
    check_strength(args.strength)
    mood = checked_mood(args.mood, args.style, args.stylizer)
    target = _checked_target(args)
    style = style_picture(args.style)
    choose, interval = ("fixed", 1) if args.every_frame else (args.key_frames, args.interval)
    mode = args.mode or _default_mode(args)
    started_s = time.monotonic()
    with claimed(target) as target, Clip(input_of(args), seconds=seconds_of(args)) as clip:
        size = output_size(args.size) if args.size else usual_size(target, clip)
        count = stylize_video(
            clip,
            target,
            _answers(args, clip, style, size, mood),
            choice=CHOICES[choose](interval),
            mode=MODES[mode],
            estimate=ESTIMATORS[args.flow or DEFAULT_FLOW[mode]](),
            size=size,
            encoding=_encoding(args),
        )
        print(f"{target.name}: {count} frames, {count / (time.monotonic() - started_s):.1f} a second.")


def _checked_target(args: argparse.Namespace) -> Target:
    if not 1 <= args.interval <= MAX_INTERVAL:
        raise BadSetting(f"--interval must be 1 to {MAX_INTERVAL} frames, not {args.interval}.")
    if args.stylizer == "paper" and args.mode == "grid":
        raise BadSetting("Model paper answers with pixels: take --mode residual or warp.")
    target = find_target(args.out, stream_format=args.output_format, or_folder=True)
    if target.kind == "camera":
        raise BadSetting("A virtual camera shows a video in real time, which mvstylizer client does.")
    check_encoding(_encoding(args), is_video=target.kind != "folder")
    check_target(target, force=args.force)
    return target


def _encoding(args: argparse.Namespace) -> Encoding:
    return Encoding(args.encoder, args.crf, args.preset)


def _default_mode(args: argparse.Namespace) -> str:
    return "residual" if args.stylizer == "paper" else "grid"


def _answers(
    args: argparse.Namespace, clip: Clip, style: np.ndarray, size: tuple[int, int], mood: float
) -> Callable[[Marked], Answer]:
    if args.stylizer == "paper":
        return PaperAnswers(load_paper(args.weights, args.vgg), style, size=size, strength=args.strength)
    stylizer = load_stylizer(args.weights, args.stylizer)
    return GridAnswers(stylizer, style, size=size, strength=args.strength, mood=mood, rate=clip.rate)
