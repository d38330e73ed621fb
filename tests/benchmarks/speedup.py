"""Speed-up of a whole `mvstylizer video` run over --every-frame, by interval and size, beside the paper's Figure 5:

uv run --with matplotlib python tests/benchmarks/speedup.py [CLIP] [--frames 121] [--sizes 512x256 ...] [--plot PNG]

Decoding, network, flow, reassembly and encoding of CLIP, or of a drawn one, at the paper's four sizes, in CPU time of
all threads: a busy machine changes little of it. Runs take turns. The paper's curve is its Eq. 6 with the times of its
Table 2. Without matplotlib there is no plot. The last line is JSON.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import torch
from tqdm import tqdm
from video import make_clip, run

from edge.grid_model.stylizer import GridStylizer
from workers.files.arguments import output_size, style_picture
from workers.files.model_loading import load_stylizer

#: Size -> seconds the paper takes to stylize a frame, and to interpolate one (its Table 2).
PAPER = {(512, 256): (0.52, 0.0006), (768, 384): (0.73, 0.002), (1024, 512): (0.99, 0.006), (1920, 1080): (1.51, 0.02)}
INTERVALS = (5, 10, 15, 20, 30, 60)


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    stylizer, result = load_stylizer(), {}
    stylizer.warm_up()
    heads = " ".join(f"{f'K={interval}':>13}" for interval in INTERVALS)
    print(f"{'size':>10} {'every frame':>12} {heads}   (ours / the paper's)")
    with tempfile.TemporaryDirectory() as folder:
        few = make_clip(Path(folder) / "few.mp4", (128, 64), args.clip, 7)
        measure(few, Path(folder) / "out.mp4", stylizer, (128, 64), 1)  # the first run compiles
        for name in args.sizes:
            size = output_size(name)
            source = make_clip(Path(folder) / "source.mp4", size, args.clip, args.frames)
            seconds = measure(source, Path(folder) / "out.mp4", stylizer, size, args.rounds)
            frames = args.frames
            row = {
                k: {"ours": round(seconds[1] / seconds[k], 2), "paper": round(equation_6(size, frames, k), 1)}
                for k in INTERVALS
            }
            result[name] = {"every_frame_fps": round(frames / seconds[1], 1), "speedup": row}
            cells = " ".join(f"{cell['ours']:6.2f}/{cell['paper']:6.1f}" for cell in row.values())
            print(f"{name:>10} {frames / seconds[1]:8.1f} fps {cells}", flush=True)
            if args.plot:
                plot(result, args.plot)
    print(json.dumps(result))


def measure(source: Path, out: Path, stylizer: GridStylizer, size: tuple[int, int], rounds: int) -> dict[int, float]:
    """Median seconds of CPU time of a run, by interval."""
    times: dict[int, list[float]] = {interval: [] for interval in (1, *INTERVALS)}
    for _ in range(rounds):
        for interval, measured in tqdm(times.items(), desc=f"{size[0]}x{size[1]}", leave=False):
            started_s = time.process_time()
            run(source, out, stylizer, style_picture("dusk"), size, interval)
            measured.append(time.process_time() - started_s)
    return {interval: median(measured) for interval, measured in times.items()}


def equation_6(size: tuple[int, int], frames: int, interval: int) -> float:
    """All frames stylized over key frames stylized and the others interpolated."""
    stylize_s, interpolate_s = PAPER[size]
    key_frames = -(-frames // interval)
    return frames * stylize_s / (key_frames * stylize_s + (frames - key_frames) * interpolate_s)


def plot(result: dict[str, dict], path: Path) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for axis, whose, title in zip(axes, ("ours", "paper"), ("a whole run, measured", "the paper's Eq. 6 and Table 2")):
        for size, row in result.items():
            axis.plot(INTERVALS, [cell[whose] for cell in row["speedup"].values()], marker="o", label=size)
        axis.set(title=title, xlabel="key frame interval", ylabel="speed-up over every frame", ylim=0)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--frames", type=int, default=121)
    sizes = [f"{width}x{height}" for width, height in PAPER]
    parser.add_argument("--sizes", nargs="+", default=sizes, choices=sizes)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--plot", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
