"""What key frames chosen by uncovered cells gain: uv run python tests/benchmarks/key_frames.py CLIPS [--style dusk]

CLIPS is a folder of videos, played as live streams whose answers come --delay frames late. Per clip and choice: key
frames a second, how many of them early, and MS-SSIM (mean and worst frame) of a frame under the newest answer to the
same under its own. `as many` is a fixed interval that spends as many key frames on the clip as the choice above it.
Below, what the decision costs a frame. The last line is JSON.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import av
import cv2
import numpy as np
import torch

from clients.headless.camera import sent_size
from clients.media.clip import Clip, upright
from clients.reassembly.grid import apply_grid
from edge.grid_model.stylizer import Stylizer
from pipeline.key_frames.picker import thumbnail_of
from pipeline.key_frames.selector import FrameThumbnail, KeyFrameSelector, Reason
from workers.files.arguments import style_picture

#: MS-SSIM's weights of five scales (Wang, Simoncelli and Bovik 2003).
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
#: Short side of the pictures that are compared, in pixels: five scales need 176.
SHORT_SIDE = 180
INTERVAL_S, SPARSE_S = 0.5, 1.0


class Played:
    """A clip with the grid of every frame, as a stream sends it."""

    def __init__(self, path: Path, stylizer: Stylizer, style: object, most: int) -> None:
        self.thumbnails: list[FrameThumbnail] = []
        self.grids: list[np.ndarray] = []
        self._pictures: list[np.ndarray] = []
        self._scores: dict[tuple[int, int], float] = {}
        state = None
        with Clip(path) as clip:
            self.rate = float(clip.rate)
            for rgb in pictures(clip, most):
                grid, state = stylizer.follow(rgb, style, state, elapsed_s=1 / self.rate)
                self.grids.append(grid)
                self.thumbnails.append(thumbnail_of(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
                scale = SHORT_SIDE / min(rgb.shape[:2])
                self._pictures.append(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))

    def score(self, key: int, frame: int) -> float:
        """MS-SSIM of the frame under the key frame's grid to itself under its own."""
        if (key, frame) not in self._scores:
            shown, own = (apply_grid(self._pictures[frame], self.grids[index]) for index in (key, frame))
            self._scores[key, frame] = ms_ssim(shown, own)
        return self._scores[key, frame]


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    stylizer, result = Stylizer.load(), {}
    style = stylizer.style(style_picture(args.style))
    print(f"{'clip':22} {'choice':16} {'a second':>9} {'early':>6} {'MS-SSIM':>8} {'worst':>8}")
    for path in sorted(path for path in args.clips.iterdir() if path.suffix in (".mp4", ".mkv", ".webm", ".mov")):
        played = Played(path, stylizer, style, args.frames)
        result[path.stem] = rows = compared(played, args.delay)
        for name, row in rows.items():
            numbers = f"{row['a_second']:9.2f} {row['early']:6} {row['ms_ssim']:8.5f} {row['worst']:8.5f}"
            print(f"{path.stem:22} {name:16} {numbers}", flush=True)
    for name in next(iter(result.values())):
        a_second, early, score, worst = zip(*(rows[name].values() for rows in result.values()))
        numbers = f"{np.mean(a_second):9.2f} {sum(early):6} {np.mean(score):8.5f} {min(worst):8.5f}"
        print(f"{'all':22} {name:16} {numbers}")
    result["decision_us"] = decision_us()
    print(f"decision: {result['decision_us']} microseconds a frame of 640x360")
    print(json.dumps(result))


def pictures(clip: Clip, most: int) -> Iterator[np.ndarray]:
    """RGB uint8 [H, W, 3] at the size that a client sends."""
    for _, frame in zip(range(most), clip.frames()):
        rgb = upright(frame)
        yield cv2.resize(rgb, sent_size(*rgb.shape[1::-1]), interpolation=cv2.INTER_AREA)


def compared(played: Played, delay: int) -> dict[str, dict]:
    unseen = chosen(played, KeyFrameSelector(max_interval=INTERVAL_S), delay)
    sparse = chosen(played, KeyFrameSelector(max_interval=SPARSE_S), delay)
    each_s = len(played.grids) / played.rate / len(unseen)
    choices = {
        f"every {INTERVAL_S} s": chosen(played, fixed(INTERVAL_S), delay),
        f"unseen, {INTERVAL_S} s": unseen,
        "as many": chosen(played, fixed(each_s), delay),
        f"unseen, {SPARSE_S} s": sparse,
    }
    return {name: judged(played, keys, delay) for name, keys in choices.items()}


def fixed(interval_s: float) -> KeyFrameSelector:
    """Key frames at a fixed interval; only cuts come early."""
    return KeyFrameSelector(max_interval=interval_s, min_interval=interval_s)


def chosen(played: Played, selector: KeyFrameSelector, delay: int) -> dict[int, Reason]:
    keys: dict[int, Reason] = {}
    for index, thumbnail in enumerate(played.thumbnails):
        in_flight = sum(index - key < delay for key in keys)
        if reason := selector.decide(now=index / played.rate, thumbnail=thumbnail, in_flight=in_flight):
            keys[index] = reason
    return keys


def judged(played: Played, keys: dict[int, Reason], delay: int) -> dict[str, float]:
    frames = range(delay, len(played.grids))  # before, there is no answer
    scores = [played.score(max(key for key in keys if key <= frame - delay), frame) for frame in frames]
    return {
        "a_second": round(len(keys) * played.rate / len(played.grids), 2),
        "early": sum(reason == "uncovered" for reason in keys.values()),
        "ms_ssim": round(float(np.mean(scores)), 5),
        "worst": round(min(scores), 5),
    }


def decision_us() -> float:
    """Least CPU time of five runs over noise of 640x360, with all tests made each time."""
    y, u = (np.random.default_rng(0).integers(0, 256, shape, np.uint8) for shape in ((360, 640), (180, 320)))
    selector, runs = KeyFrameSelector(max_interval=1e9, min_interval=0), []
    for _ in range(5):
        start_s = time.process_time()
        for now in range(200):
            selector.decide(now=now, thumbnail=FrameThumbnail.at(y, u, u))
        runs.append((time.process_time() - start_s) / 200)
    return round(1e6 * min(runs), 1)


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Multi-scale structural similarity of the luma of two RGB uint8 pictures."""
    x, y = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (a, b))
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        whole, structure = ssim(x, y)
        product *= max(whole if scale == len(WEIGHTS) - 1 else structure, 1e-6) ** weight
        x, y = (cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for image in (x, y))
    return product


def ssim(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """SSIM of two grey pictures of 0..255, and its part without brightness; 11x11 Gaussian, sigma 1.5."""

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image, (11, 11), 1.5)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    structure = (2 * both + 58.5225) / (vx + vy + 58.5225)
    brightness = (2 * mx * my + 6.5025) / (mx * mx + my * my + 6.5025)
    return float((brightness * structure).mean()), float(structure.mean())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--style", default="dusk")
    parser.add_argument("--delay", type=int, default=3, help="frames from a key frame to its answer (3)")
    parser.add_argument("--frames", type=int, default=1000, help="at most this many of each clip")
    return parser.parse_args()


if __name__ == "__main__":
    main()
