"""Measures what a client pays to stylize one frame, compared with the same in OpenCV and NumPy:

uv run python tests/benchmarks/apply_grid.py

The figures are milliseconds of one core's time, so that a busy machine changes little. The two take turns.
"""

import json
import time
from collections.abc import Callable
from statistics import median

import cv2
import numpy as np

from clients.reassembly.grid import apply_grid

SIZES = {"640x360": (360, 640), "1280x720": (720, 1280), "1920x1080": (1080, 1920)}
REPEATS = 15


def with_opencv(image: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The same with OpenCV: the coefficients of each depth are enlarged to the frame's size, and weighted by luma."""
    height, width = image.shape[:2]
    colours = image.astype(np.float32) / 255
    depth = grid.shape[1]
    z = np.clip(colours @ np.float32([0.299, 0.587, 0.114]) * depth - 0.5, 0, depth - 1)
    painted = np.zeros_like(colours)
    for d in range(depth):
        weight = np.maximum(1 - np.abs(z - d), 0)
        for channel in range(3):
            mix = cv2.resize(grid[channel, d].astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
            painted[..., channel] += weight * (np.einsum("hwk,hwk->hw", mix[..., :3], colours) + mix[..., 3])
    return np.rint(np.clip(painted, 0, 1) * 255).astype(np.uint8)


def cpu_ms(work: Callable[[], object]) -> float:
    started = time.process_time_ns()
    work()
    return (time.process_time_ns() - started) / 1e6


def measure(height: int, width: int) -> dict[str, float]:
    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 256, (9, 16, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    grid = (np.eye(3, 4).reshape(3, 1, 1, 1, 4) + random.normal(0, 0.2, (3, 8, 9, 16, 4))).astype(np.float16)
    apart = np.abs(apply_grid(image, grid).astype(int) - with_opencv(image, grid)).max()
    assert apart <= 1, "both compute the same picture"
    out = np.empty_like(image)
    works = (
        lambda: apply_grid(image, grid, out=out),
        lambda: apply_grid(image, grid, dither=True, out=out),
        lambda: with_opencv(image, grid),
    )
    times = [[cpu_ms(work) for work in works] for _ in range(REPEATS)]
    ours, dithered, theirs = (median(column) for column in zip(*times, strict=True))
    return {
        "apply_grid_ms": round(ours, 2),
        "dithered_ms": round(dithered, 2),
        "opencv_ms": round(theirs, 1),
        "ratio": round(theirs / ours, 1),
    }


def main() -> None:
    cv2.setNumThreads(1)
    rows = {size: measure(*shape) for size, shape in SIZES.items()}
    print(f"{'frame':>10} {'apply_grid':>11} {'OpenCV':>9} {'ratio':>6}")
    for size, row in rows.items():
        print(f"{size:>10} {row['apply_grid_ms']:>8.2f} ms {row['opencv_ms']:>6.1f} ms {row['ratio']:>6.1f}")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
