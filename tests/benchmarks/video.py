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
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np

from edge.stylizer import Stylizer
from workers.media import Clip
from workers.render import load_stylizer, resized, style_picture, stylize_video

SIZES = ((640, 360), (1280, 720))
FRAMES = 120
ROUNDS = 3
INTERVAL = 10


def main() -> None:
    stylizer, style = load_stylizer(), style_picture("dusk")
    stylizer.warm_up()
    result = {}
    print(f"{'size':>10} {'every frame':>12} {f'one in {INTERVAL}':>12} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            source = make_clip(Path(folder) / "source.mp4", size, sys.argv[1:])
            every, tenth = compare(source, Path(folder) / "out.mp4", stylizer, style, size)
            name = f"{size[0]}x{size[1]}"
            result[name] = {"every_frame_fps": every, "interval_10_fps": tenth, "ratio": round(tenth / every, 2)}
            print(f"{name:>10} {every:>8.1f} fps {tenth:>8.1f} fps {tenth / every:>6.2f}")
    print(json.dumps(result))


def compare(
    source: Path, out: Path, stylizer: Stylizer, style: np.ndarray, size: tuple[int, int]
) -> tuple[float, float]:
    """Median frames per second at interval 1 and at INTERVAL."""
    rates: dict[int, list[float]] = {1: [], INTERVAL: []}
    for _ in range(ROUNDS):
        for interval, measured in rates.items():
            started_s = time.perf_counter()
            with Clip(source) as clip:
                count = stylize_video(clip, out, stylizer, style, size=size, interval=interval, strength=1.0)
            measured.append(count / (time.perf_counter() - started_s))
    return tuple(round(median(measured), 1) for measured in rates.values())


def make_clip(path: Path, size: tuple[int, int], clip: list[str]) -> Path:
    """At most FRAMES frames at 30 per second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height = size
        for index, rgb in zip(range(FRAMES), recorded(clip[0]) if clip else drawn()):
            frame = av.VideoFrame.from_ndarray(resized(rgb, size), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def recorded(path: str) -> Iterator[np.ndarray]:
    with av.open(path) as container:
        yield from (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))


def drawn() -> Iterator[np.ndarray]:
    """A window that slides over coloured noise."""
    noise = cv2.resize(np.random.default_rng(0).integers(0, 256, (18, 64, 3), np.uint8), (2560, 720))
    for index in range(FRAMES):
        yield noise[:, 8 * index : 8 * index + 1280]


if __name__ == "__main__":
    main()
