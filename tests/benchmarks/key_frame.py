"""A key frame's cost on one CPU thread, style cached: uv run python tests/benchmarks/key_frame.py

Network and grid fit, from RGB uint8 in memory to the float16 grid. Prints a table; the last line is JSON.
"""

import json
import os
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

import edge.grid_model.stylizer
from edge.grid_model.stylizer import GridStylizer

SIZES = ((256, 144), (640, 360), (1280, 720), (1920, 1080), (3840, 2160))
ROUNDS = 40


def main() -> None:
    torch.set_num_threads(1)
    result = {}
    for dtype in (torch.bfloat16, torch.float32):
        edge.grid_model.stylizer.faster_type = lambda device, dtype=dtype: dtype
        stylizer = GridStylizer.load(device="cpu")
        stylizer.warm_up()
        for width, height in SIZES:
            median, best, processor = key_frame_ms(stylizer, width, height)
            name = f"{width}x{height} {str(dtype).removeprefix('torch.')}"
            result[name] = {"median_ms": round(median, 1), "best_ms": round(best, 1), "cpu_ms": round(processor, 1)}
            print(f"{name:20} median {median:6.1f} ms   best {best:6.1f} ms   processor time {processor:6.1f} ms")
    print(json.dumps(result))


def key_frame_ms(stylizer: GridStylizer, width: int, height: int) -> tuple[float, float, float]:
    """Median and least time, and median processor time, which others on the machine disturb less."""
    rng = np.random.default_rng(0)
    image = np.repeat(np.repeat(rng.integers(0, 256, (height // 4, width // 4, 3), np.uint8), 4, 0), 4, 1)
    style, times, processor = stylizer.style(image[::-1]), [], []
    for _ in range(ROUNDS):
        start, start_processor = time.perf_counter(), time.thread_time()
        stylizer.stylize(image, style)
        times.append((time.perf_counter() - start) * 1e3)
        processor.append((time.thread_time() - start_processor) * 1e3)
    return float(np.median(times)), min(times), float(np.median(processor))


if __name__ == "__main__":
    main()
