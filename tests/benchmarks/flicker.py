"""Flicker of clips with every frame stylized: uv run python tests/benchmarks/flicker.py CLIPS [--style dusk ...]

CLIPS is a folder of videos. Warping error (mean squared change after flow compensation, where the flow is consistent
forward and backward) as a ratio to that of the same clip under one grid, its first frame's, held throughout: without
memory from frame to frame, and with it. Clips with a cut are left out. The last line is JSON.
"""

import argparse
import json
import os
from itertools import islice
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import torch
from tqdm import tqdm

from clients.media.clip import Clip, upright
from clients.reassembly.grid import apply_grid
from edge.grid_model.stylizer import GridStylizer, StyleStatistics
from workers.files.arguments import style_picture
from workers.files.key_frames import fixed, marked

#: Long side of the pictures that are compared, in pixels; the network sees the clip's own.
LONG_SIDE = 480
VARIANTS = ("held", "without", "with")


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    stylizer, result = GridStylizer.load(), {}
    styles = {name: stylizer.style(style_picture(name)) for name in args.style}
    print(f"{'clip':24} {'style':12} {'held x1e3':>10} {'without':>8} {'with':>8}")
    for path in sorted(path for path in args.clips.iterdir() if path.suffix in (".mp4", ".mkv", ".webm", ".mov")):
        for name, errors in warping_errors(path, stylizer, styles, args.frames).items():
            held, without, remembering = (float(np.mean(errors[variant])) for variant in VARIANTS)
            row = {"held_x1e3": 1e3 * held, "without": without / held, "with": remembering / held}
            result.setdefault(path.stem, {})[name] = {key: round(value, 4) for key, value in row.items()}
            numbers = f"{row['held_x1e3']:10.3f} {row['without']:8.3f} {row['with']:8.3f}"
            print(f"{path.stem:24} {name:12} {numbers}", flush=True)
    print(json.dumps(result))


def warping_errors(
    path: Path, stylizer: GridStylizer, styles: dict[str, StyleStatistics], most: int
) -> dict[str, dict[str, list[float]]]:
    """Per style and variant, the error of every pair of frames; {} for a clip with a cut."""
    errors = {name: {variant: [] for variant in VARIANTS} for name in styles}
    grids: dict[str, dict[str, np.ndarray]] = {name: {} for name in styles}
    states, before, outputs = dict.fromkeys(styles), None, {}
    with Clip(path) as clip:
        elapsed_s = float(1 / clip.rate)
        frames = clip.frames()
        for now in tqdm(islice(marked(frames, fixed(1)), most), desc=path.stem, unit="frame", leave=False):
            if now.cut:
                return {}
            rgb = upright(now.frame)
            small = shrunk(rgb)
            flow = None if before is None else consistent_flow(before, small)
            for name, style in styles.items():
                grid = grids[name]
                grid["without"] = stylizer.stylize(rgb, style)
                grid["with"], states[name] = stylizer.follow(rgb, style, states[name], elapsed_s=elapsed_s)
                grid.setdefault("held", grid["without"])
                for variant in VARIANTS:
                    output = apply_grid(small, grid[variant]).astype(np.float32) / 255
                    if flow is not None and flow[1].any():
                        errors[name][variant].append(changed(outputs[name, variant], output, *flow))
                    outputs[name, variant] = output
            before = small
    return errors


def consistent_flow(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow from `now` back to `before` (H W 2), and where (H W) the flow forward agrees with it."""
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey, grey_before = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (now, before))
    back, forth = dis.calc(grey, grey_before, None), dis.calc(grey_before, grey, None)
    forth = warped(forth, back)
    gap, length = ((back + forth) ** 2).sum(-1), (back**2).sum(-1) + (forth**2).sum(-1)
    return back, gap <= 0.01 * length + 0.5


def changed(before: np.ndarray, now: np.ndarray, back: np.ndarray, valid: np.ndarray) -> float:
    return float(((now - warped(before, back)) ** 2).mean(-1)[valid].mean())


def warped(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    return cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def shrunk(rgb: np.ndarray) -> np.ndarray:
    scale = min(1.0, LONG_SIDE / max(rgb.shape[:2]))
    size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--style", nargs="+", default=["autumn", "dusk"])
    parser.add_argument("--frames", type=int, default=1000, help="at most this many of each clip")
    return parser.parse_args()


if __name__ == "__main__":
    main()
