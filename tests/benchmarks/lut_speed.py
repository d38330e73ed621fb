"""Whole runs of `mvstylizer video` beside FFmpeg's own `lut3d`, with the same encoder, settings and numbers of threads:

uv run python tests/benchmarks/lut_speed.py [CLIP] [--size 1920x1080] [--frames 150] [--rounds 3]

All of them read the same frames of CLIP, or of a drawn one, and take turns, so that a busy machine slows all. The table
has each command's median wall time, processor time of all its threads, and peak memory: all that was resident, and what
of it no file holds, so that only swapping could free it. Starting is a photo, or a clip of one frame, of 64x36 pixels.
The last line is JSON. It needs Linux and the command ffmpeg.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from statistics import median

OURS = [sys.executable, "-m", "workers"]
FFMPEG = ["ffmpeg", "-v", "error", "-y", "-i"]
ENCODED = ["-an", "-c:v", "libx264", "-crf", "18", "-preset", "veryfast", "-bf", "0", "-pix_fmt", "yuv420p"]
STYLE = "dusk"
#: How often it is looked how much memory a command holds, in seconds.
LOOK_S = 0.02


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        prepared_apart(args, Path(folder))
        rows = measured(commands(Path(folder)), args.rounds)
    print(f"{args.frames} frames of {args.size}")
    print(f"{'':>24} {'wall s':>7} {'processor s':>12} {'resident MB':>12} {'in no file MB':>14}")
    for name, (wall_s, processor_s, resident_mb, anonymous_mb) in rows.items():
        print(f"{name:>24} {wall_s:7.2f} {processor_s:12.2f} {resident_mb:12.0f} {anonymous_mb:14.0f}")
    keys = ("wall_s", "processor_s", "resident_mb", "anonymous_mb")
    print(json.dumps({name: dict(zip(keys, row, strict=True)) for name, row in rows.items()}))


def prepared_apart(args: argparse.Namespace, folder: Path) -> None:
    """Make what is compared in a process of its own: a command's peak memory begins with that of who starts it."""
    process = get_context("spawn").Process(target=prepare, args=(args, folder))
    process.start()
    process.join()
    assert process.exitcode == 0


def prepare(args: argparse.Namespace, folder: Path) -> None:
    """Make the clips, a photo and its colour table."""
    import cv2  # these take a gigabyte of memory, so they are imported only in this process
    from video import make_clip

    from clients.media.clip import Clip, upright
    from workers.files.arguments import output_size

    make_clip(folder / "clip.mp4", output_size(args.size), args.clip, args.frames)
    make_clip(folder / "tiny.mp4", (64, 36), args.clip, 1)
    photo, lut = str(folder / "photo.png"), str(folder / "look.cube")
    with Clip(folder / "clip.mp4") as opened:
        cv2.imwrite(photo, cv2.resize(upright(next(opened.frames())), (64, 36))[..., ::-1])
    subprocess.run([*OURS, "lut", photo, STYLE, lut], check=True, stdout=subprocess.DEVNULL)


def commands(folder: Path) -> dict[str, list[str]]:
    """What is compared, by its name in the table."""
    clip, tiny, photo = (str(folder / name) for name in ("clip.mp4", "tiny.mp4", "photo.png"))
    lut = str(folder / "look.cube")
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
    """The medians of each command's wall time and processor time in seconds, and of its peaks of memory in MB."""
    run(compared["video"])  # the first run after an installation compiles
    runs: dict[str, list[Sequence[float]]] = {name: [] for name in compared}
    for _ in range(rounds):
        for name, command in compared.items():
            runs[name].append(run(command))
    return {name: [round(median(column), 3) for column in zip(*measures)] for name, measures in runs.items()}


def run(command: list[str]) -> Sequence[float]:
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, Python compiles all of PyTorch at each start
    with tempfile.TemporaryFile() as said:
        started_s, anonymous_mb = time.perf_counter(), 0.0
        pid = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment).pid
        while not (ended := os.wait4(pid, os.WNOHANG))[0]:
            anonymous_mb = max(anonymous_mb, anonymous(pid))
            time.sleep(LOOK_S)
        wall_s, (_, status, usage) = time.perf_counter() - started_s, ended
        said.seek(0)
        assert status == 0, said.read().decode()
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, anonymous_mb


def anonymous(pid: int) -> float:
    """How many MB of a process's resident memory are not those of files."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
