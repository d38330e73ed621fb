"""Whole runs of `mvstylizer video` beside FFmpeg's own `lut3d`, with the same encoder, settings and numbers of threads:

uv run python tests/benchmarks/lut_speed.py [CLIP] [--size 1920x1080] [--frames 150] [--rounds 3]

All of them read the same frames of CLIP, or of a drawn one, and take turns, so that a busy machine slows all. The table
has each command's median wall time, processor time of all its threads, and peak memory; starting is a photo, or a clip
of one frame, of 64x36 pixels. The last line is JSON. It needs the command ffmpeg.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import cv2
from video import make_clip

from clients.media.clip import Clip, upright
from workers.files.arguments import output_size

OURS = [sys.executable, "-m", "workers"]
FFMPEG = ["ffmpeg", "-v", "error", "-y", "-i"]
ENCODED = ["-an", "-c:v", "libx264", "-crf", "18", "-preset", "veryfast", "-bf", "0", "-pix_fmt", "yuv420p"]
STYLE = "dusk"


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(commands(args, Path(folder)), args.rounds)
    print(f"{args.frames} frames of {args.size}\n{'':>24} {'wall s':>7} {'processor s':>12} {'memory MB':>10}")
    for name, (wall_s, processor_s, memory_mb) in rows.items():
        print(f"{name:>24} {wall_s:7.2f} {processor_s:12.2f} {memory_mb:10.0f}")
    keys = ("wall_s", "processor_s", "memory_mb")
    print(json.dumps({name: dict(zip(keys, row, strict=True)) for name, row in rows.items()}))


def commands(args: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """What is compared, by its name in the table."""
    clip = str(make_clip(folder / "clip.mp4", output_size(args.size), args.clip, args.frames))
    tiny = str(make_clip(folder / "tiny.mp4", (64, 36), args.clip, 1))
    photo, lut = str(folder / "photo.png"), str(folder / "look.cube")
    with Clip(clip) as opened:
        cv2.imwrite(photo, cv2.resize(upright(next(opened.frames())), (64, 36))[..., ::-1])
    subprocess.run([*OURS, "lut", photo, STYLE, lut], check=True, stdout=subprocess.DEVNULL)
    video = [*OURS, "video", clip, str(folder / "ours.mp4"), "--style", STYLE, "--force"]
    return {
        "FFmpeg decodes": [*FFMPEG, clip, "-f", "null", "-"],
        "FFmpeg encodes anew": [*FFMPEG, clip, *ENCODED, str(folder / "anew.mp4")],
        "FFmpeg with lut3d": [*FFMPEG, clip, "-vf", f"lut3d={lut}", *ENCODED, str(folder / "lut.mp4")],
        "video": video,
        "video --interval 30": [*video, "--interval", "30"],
        "video --every-frame": [*video, "--every-frame"],
        "video starts": [*OURS, "video", tiny, str(folder / "t.mp4"), "--style", STYLE, "--force"],
        "image starts": [*OURS, "image", photo, STYLE, str(folder / "t.jpg"), "--force"],
    }


def measured(compared: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """The medians of each command's wall time and processor time in seconds, and of its peak memory in MB."""
    run(compared["video"])  # the first run after an installation compiles
    runs: dict[str, list[Sequence[float]]] = {name: [] for name in compared}
    for _ in range(rounds):
        for name, command in compared.items():
            runs[name].append(run(command))
    return {name: [round(median(column), 3) for column in zip(*measures)] for name, measures in runs.items()}


def run(command: list[str]) -> Sequence[float]:
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    started_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, said.decode()
    return time.perf_counter() - started_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
