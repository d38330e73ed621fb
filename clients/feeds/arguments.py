"""The arguments of commands that read and write videos anywhere. Wrong ones raise BadSetting with a sentence."""

import argparse
import math
from fractions import Fraction

from clients.feeds.containers import STREAMS
from clients.feeds.inputs import RAW_FORMATS, Input, Shape, find_input
from pipeline.contract.errors import BadSetting

#: What an input may be, for a command's help.
INPUT_HELP = "video: a file, - for standard input, rtsp://…, http://…, rtmp://…, udp://…, srt://…, or camera:N"
OUTPUT_HELP = "video: a file, - for standard output, rtmp://…, srt://…, rtsp://… or udp://…"
STRENGTH_HELP = "0 no style, 1 all of it (default)"
MOST_RATE = 1000


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say what is known of the input beforehand."""
    parser.add_argument("--input-size", metavar="WxH", help="size of raw frames, or the one that is wanted of a camera")
    parser.add_argument("--input-rate", metavar="FPS", help="the same in frames a second")
    parser.add_argument("--input-format", choices=RAW_FORMATS, help="the input - is raw frames, of this pixel format")

    parser.add_argument("--seconds", type=float, metavar="S", help="end after so much of the video")


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how the output is written."""
    parser.add_argument(
        "--output-format",
        choices=list(STREAMS),
        default="mkv",
        help="of standard output (default mkv); rgb24: raw frames",
    )


def input_of(args: argparse.Namespace) -> Input:
    """The input that the arguments name."""
    size = parse_size(args.input_size, "--input-size") if args.input_size else None
    rate = parse_rate(args.input_rate) if args.input_rate else None
    return find_input(args.input, Shape(size, rate, args.input_format or ""))


def seconds_of(args: argparse.Namespace) -> float:
    """How much of the video is wanted."""
    if args.seconds is None:
        return math.inf
    if not args.seconds > 0:
        raise BadSetting(f"--seconds must be a number above 0, not {args.seconds}.")
    return float(args.seconds)


def check_strength(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise BadSetting(f"--strength must be 0 to 1, not {strength}.")


def parse_size(text: str, option: str) -> tuple[int, int]:
    """The width and height in a text like "1280x720"."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise BadSetting(f"{option} must be WIDTHxHEIGHT, for example 1280x720, not {text}.")
    return int(width), int(height)


def parse_rate(text: str) -> Fraction:
    """The rate in a text like "30", "29.97" or "30000/1001"."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= MOST_RATE:
        raise BadSetting(f"--input-rate must be a number of frames a second up to {MOST_RATE}, not {text}.")
    return rate
