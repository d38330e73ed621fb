"""A whole run of `mvstylizer video`, every frame a key frame against one in ten:

uv run python tests/benchmarks/video.py [CLIP]

Decoding, network, reassembly and encoding of CLIP, or of a drawn one, at two sizes. The two take turns, so that a busy
machine slows both. The last line is JSON.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np

from clients.feeds.outputs import find_target
from clients.media.clip import Clip, upright
from clients.media.geometry import resized
from clients.reassembly.flow import ESTIMATORS
from edge.grid_model.stylizer import GridStylizer
from workers.files.arguments import style_picture
from workers.files.key_frame_answers import GridAnswers
from workers.files.key_frames import fixed
from workers.files.model_loading import load_stylizer
from workers.files.painting import MODES
from workers.files.video import stylize_video

SIZES = ((640, 360), (1280, 720))
FRAMES = 120
ROUNDS = 3
INTERVAL = 10


def main() -> None:
    stylizer, style = load_stylizer(), style_picture("dusk")
    stylizer.warm_up()
    result = {}
    print(f"{'size':>10} {'key frames':>11} {'frames/s':>9} {'CPU ms/frame':>13}")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            source = make_clip(Path(folder) / "source.mp4", size, Path(sys.argv[1]) if sys.argv[1:] else None, FRAMES)
            every, tenth = compare(source, Path(folder) / "out.mp4", stylizer, style, size)
            name = f"{size[0]}x{size[1]}"
            result[name] = {"every_frame": every, "interval_10": tenth, "ratio": round(tenth["fps"] / every["fps"], 2)}
            print(f"{name:>10} {'every':>11} {every['fps']:>9} {every['cpu_ms']:>13}")
            print(f"{name:>10} {'one in 10':>11} {tenth['fps']:>9} {tenth['cpu_ms']:>13}")
    print(json.dumps(result))


def compare(
    source: Path, out: Path, stylizer: GridStylizer, style: np.ndarray, size: tuple[int, int]
) -> list[dict[str, float]]:
    """Median frames per second, and CPU time of all threads per frame, at interval 1 and at INTERVAL."""
    runs: dict[int, list[tuple[float, float]]] = {1: [], INTERVAL: []}
    for _ in range(ROUNDS):
        for interval, measured in runs.items():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            frames = run(source, out, stylizer, style, size, interval)
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
            measured.append((frames / wall_s, cpu_s / frames * 1e3))
    medians = [[median(column) for column in zip(*measured)] for measured in runs.values()]
    return [{"fps": round(fps, 1), "cpu_ms": round(cpu_ms, 1)} for fps, cpu_ms in medians]


def run(
    source: Path, out: Path, stylizer: GridStylizer, style: np.ndarray, size: tuple[int, int], interval: int
) -> int:
    """As `mvstylizer video` does it. Returns how many frames there were."""
    with Clip(source) as clip:
        answers = GridAnswers(stylizer, style, size=size, strength=1.0, rate=clip.rate)
        return stylize_video(
            clip,
            find_target(out),
            answers,
            choice=fixed(interval),
            mode=MODES["grid"],
            estimate=ESTIMATORS["none"](),
            size=size,
        )


def make_clip(path: Path, size: tuple[int, int], clip: Path | None, frames: int) -> Path:
    """So many frames of a clip, or of a drawn one, at 30 per second; a shorter clip is repeated."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height = size
        for index, rgb in zip(range(frames), recorded(clip) if clip else drawn()):
            frame = av.VideoFrame.from_ndarray(resized(rgb, size), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def recorded(path: Path) -> Iterator[np.ndarray]:
    while True:
        with Clip(path) as clip:
            yield from map(upright, clip.frames())


def drawn() -> Iterator[np.ndarray]:
    """A window that slides over coloured noise, there and back."""
    noise = cv2.resize(np.random.default_rng(0).integers(0, 256, (18, 64, 3), np.uint8), (2560, 720))
    for index in count():
        left = abs(8 * index % 2560 - 1280)
        yield noise[:, left : left + 1280]


if __name__ == "__main__":
    main()
