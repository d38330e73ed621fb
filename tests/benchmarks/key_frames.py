"""Key frames at fixed intervals beside key frames when they are worth it:

uv run python tests/benchmarks/key_frames.py CLIPS [--style dusk] [--still CLIP] [--hindsight] [--plot FILE]

CLIPS is a folder of videos, played as live streams whose answers come --delay frames late. --still adds three clips of
a camera that stands still, made of CLIP (see still_clips.py). `fixed` are intervals whose answers are for the moment of
the key frame, as all once were, `ahead` the same with answers made for the time when they are on show, and `worth` are
those of the gateway, by what a key frame must be worth. `even` are as many key frames as the gateway picks, at even
intervals, and `even ahead` the same with answers made ahead.

For each choice: key frames a second; MS-SSIM, mean and worst frame, of a frame under the newest answer to the same
under its own, had every frame been a key frame; the difference of the two in CIE Lab (delta E 1976), mean and the
largest 99th percentile of a frame; and the warping error of what a client shows that fades from answer to answer, as a
ratio to that of every frame stylized. --every 7 compares every seventh frame; a number that divides an interval's
frames would favour that interval. --hindsight adds the bound of hindsight.py: key frames a second and MS-SSIM alone.
Then follows which share of the key frames of a fixed half second each kind needs for the same loss. The last line is
JSON.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parent.parent))

import av
import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from curves import draw_lines  # noqa: E402
from hindsight import PRICES, Hindsight, floats  # noqa: E402
from still_clips import RATE, STILL_CLIPS, still_clip  # noqa: E402

from clients.headless.camera import sent_size  # noqa: E402
from clients.media.clip import Clip, upright  # noqa: E402
from clients.reassembly.grid import apply_grid  # noqa: E402
from clients.reassembly.grid_fade import GridFade  # noqa: E402
from edge.grid_model.colorization import StyleStatistics  # noqa: E402
from edge.grid_model.stylizer import GridStylizer  # noqa: E402
from pipeline.key_frames.change import WORTH, lead_s  # noqa: E402
from pipeline.key_frames.picker import thumbnail_of  # noqa: E402
from pipeline.key_frames.selector import KeyFrameSelector  # noqa: E402
from pipeline.key_frames.thumbnail import FrameThumbnail  # noqa: E402
from support.pictures.metrics import WarpingError, ms_ssim  # noqa: E402
from workers.files.arguments import style_picture  # noqa: E402

#: Short side of the pictures that are compared, in pixels: MS-SSIM's five scales need 176.
SHORT_SIDE = 180
INTERVALS_S = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
WORTHS = (0.3, 0.6, WORTH, 1.7, 2.4, 4.8)
#: What a choice of key frames is compared with: what every stream once got.
REFERENCE = "fixed 0.5"
COLUMNS = ("a_second", "ms_ssim", "worst", "delta_e", "delta_e_p99", "warping")


class Played:
    """A clip as a stream sends it, with what each frame alone would tell the edge."""

    def __init__(
        self, frames: Iterable[np.ndarray], rate: float, stylizer: GridStylizer, style: StyleStatistics
    ) -> None:
        self.rate, self.stylizer = rate, stylizer
        self.thumbnails: list[FrameThumbnail] = []
        self.pictures: list[np.ndarray] = []
        self.equations: list[torch.Tensor] = []
        for rgb in frames:
            self.equations.append(stylizer.equations(rgb, style))
            self.thumbnails.append(thumbnail_of(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            scale = SHORT_SIDE / min(rgb.shape[:2])
            self.pictures.append(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))

    def key_frames(self, selector: KeyFrameSelector, delay: int) -> list[int]:
        keys: list[int] = []
        for index, thumbnail in enumerate(self.thumbnails):
            in_flight = sum(index - key < delay for key in keys)
            if selector.decide(now=index / self.rate, thumbnail=thumbnail, in_flight=in_flight):
                keys.append(index)
        return keys

    def answers(self, keys: Iterable[int], *, ahead: bool) -> dict[int, np.ndarray]:
        """The grid of each key frame, from a memory of these key frames alone."""
        state, last, grids = None, 0, {}
        for key in keys:
            elapsed_s = (key - last) / self.rate
            lead = lead_s(elapsed_s) if ahead else 0.0
            grids[key], state = self.stylizer.settle(self.equations[key], state, elapsed_s=elapsed_s, lead_s=lead)
            last = key
        return grids


class Shown:
    """What a client shows of one choice of key frames."""

    def __init__(self, answers: dict[int, np.ndarray], delay: int) -> None:
        self._answers, self._delay, self._fade = answers, delay, GridFade()
        self._newest: np.ndarray | None = None
        self.losses: list[float] = []
        self.differences: list[tuple[float, float]] = []
        self.warping: list[float] = []

    def step(self, index: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The newest answer and the one that is faded to; None before the first."""
        if index - self._delay in self._answers:
            self._newest = self._answers[index - self._delay]
            self._fade.arrive(self._newest, cut=False)
        faded = self._fade.step()
        return None if self._newest is None or faded is None else (self._newest, faded)


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    stylizer, result = GridStylizer.load(), {}
    style = stylizer.style(style_picture(args.style))
    print(f"{'clip':20} {'choice':16}" + "".join(f"{name:>12}" for name in COLUMNS))
    for name, frames, rate in clips(args):
        result[name] = compared(Played(frames, rate, stylizer, style), args)
        print_rows(name, result[name])
    for name, kind in (("all moving", False), ("all still", True)):
        if rows := [row for clip, row in result.items() if (clip in STILL_CLIPS) == kind]:
            result[name] = {choice: mean([row[choice] for row in rows]) for choice in rows[0]}
            print_rows(name, result[name])
            for choice in ("ahead", "worth", *(["hindsight"] if args.hindsight else [])):
                print(f"{name}: {choice} needs {needed(result[name], choice):.3f} of {REFERENCE}'s key frames")
    if args.plot:
        plot(args.plot, result)
    result["decision_us"] = decision_us()
    print(f"decision: {result['decision_us']} microseconds a frame of 640x360")
    print(json.dumps(result))


def clips(args: argparse.Namespace) -> Iterator[tuple[str, Iterable[np.ndarray], float]]:
    for path in sorted(path for path in args.clips.iterdir() if path.suffix in (".mp4", ".mkv", ".webm", ".mov")):
        with Clip(path) as clip:
            yield path.stem, pictures(clip, args.frames), float(clip.rate)
    if args.still:
        with Clip(args.still) as clip:
            frames = list(pictures(clip, args.frames))
        for name, scene in STILL_CLIPS.items():
            yield name, still_clip(scene, frames), RATE


def pictures(clip: Clip, most: int) -> Iterator[np.ndarray]:
    """RGB uint8 [H, W, 3] at the size that a client sends."""
    for _, frame in zip(range(most), clip.frames()):
        rgb = upright(frame)
        yield cv2.resize(rgb, sent_size(*rgb.shape[1::-1]), interpolation=cv2.INTER_AREA)


def compared(played: Played, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The measures of each choice of key frames."""
    delay, count = args.delay, len(played.pictures)
    every = played.answers(range(len(played.pictures)), ahead=False)
    keys, shown = {}, {}
    for interval_s in INTERVALS_S:
        fixed = KeyFrameSelector(interval_s, min_interval=interval_s, least_worth=math.inf)
        keys[f"fixed {interval_s}"] = keys[f"ahead {interval_s}"] = played.key_frames(fixed, delay)
    for least in WORTHS:
        keys[f"worth {least}"] = played.key_frames(KeyFrameSelector(least_worth=least), delay)
    even = np.linspace(0, count, len(keys[f"worth {WORTH}"]), endpoint=False).astype(int).tolist()
    keys["even"] = keys["even ahead"] = even
    for name, chosen in keys.items():
        is_ahead = not name.startswith("fixed") and name != "even"
        shown[name] = Shown(played.answers(chosen, ahead=is_ahead), delay)
    every_warping = watch(played.pictures, every, shown, args.every)
    seconds = count / played.rate
    rows = {name: row(len(keys[name]) / seconds, shown[name], every_warping) for name in keys}
    if args.hindsight:
        bound = Hindsight(played.stylizer, played.rate, played.pictures, played.equations, every, delay)
        for price in PRICES:
            a_second, loss = bound.choice(price)
            rows[f"hindsight {price:g}"] = {"a_second": round(a_second, 3), "ms_ssim": round(1 - loss, 6)}
    return rows


def watch(pictures: list[np.ndarray], every: dict[int, np.ndarray], shown: dict[str, Shown], step: int) -> float:
    """Play all choices side by side, comparing one of `step` frames; return the warping error of every frame stylized.

    Warping is the change to a compared frame from the one before it.
    """
    warping, own_warping = WarpingError(), []
    for index, picture in enumerate(pictures):
        grids = {name: newest_and_faded for name, choice in shown.items() if (newest_and_faded := choice.step(index))}
        is_compared, is_before = index % step == 0, (index + 1) % step == 0
        if not grids or not (is_compared or is_before):
            continue
        if not is_compared:
            warping = WarpingError()
        own = floats(apply_grid(picture, every[index]))
        videos = {name: floats(apply_grid(picture, faded)) for name, (_, faded) in grids.items()} | {"every frame": own}
        changes = warping.next(floats(picture), videos)
        if not is_compared:
            continue
        own_lab = cv2.cvtColor(own, cv2.COLOR_RGB2Lab)
        for name, (grid, _) in grids.items():
            newest = floats(apply_grid(picture, grid))
            shown[name].losses.append(1 - ms_ssim(newest, own))
            difference = np.linalg.norm(cv2.cvtColor(newest, cv2.COLOR_RGB2Lab) - own_lab, axis=2)
            shown[name].differences.append((float(difference.mean()), float(np.percentile(difference, 99))))
        for name, error in changes.items():
            (own_warping if name == "every frame" else shown[name].warping).append(error)
    return float(np.mean(own_warping))


def row(a_second: float, shown: Shown, every_warping: float) -> dict[str, float]:
    losses, differences = np.array(shown.losses), np.array(shown.differences)
    return {
        "a_second": round(a_second, 3),
        "ms_ssim": round(1 - float(losses.mean()), 6),
        "worst": round(1 - float(losses.max()), 6),
        "delta_e": round(float(differences[:, 0].mean()), 4),
        "delta_e_p99": round(float(differences[:, 1].max()), 3),
        "warping": round(float(np.mean(shown.warping)) / every_warping, 4),
    }


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means, but the worst frame of all."""
    found = {key: round(float(np.mean([row[key] for row in rows])), 6) for key in rows[0]}
    worst = {"worst": min, "delta_e_p99": max}
    return found | {key: of_all(row[key] for row in rows) for key, of_all in worst.items() if key in found}


def needed(rows: dict[str, dict[str, float]], kind: str) -> float:
    """The share of REFERENCE's key frames that a kind of choice needs for its loss, from its curve's nearest points."""
    curve = sorted((1 - row["ms_ssim"], row["a_second"]) for name, row in rows.items() if name.startswith(kind))
    losses, numbers = np.log(np.array(curve).T)
    loss = math.log(1 - rows[REFERENCE]["ms_ssim"])
    return math.exp(np.interp(loss, losses, numbers)) / rows[REFERENCE]["a_second"]


def print_rows(clip: str, rows: dict[str, dict[str, float]]) -> None:
    for choice, row in rows.items():
        numbers = "".join(f"{row[name]:12.5f}" for name in COLUMNS if name in row)
        print(f"{clip:20} {choice:16}{numbers}", flush=True)


def plot(path: Path, result: dict[str, dict[str, dict[str, float]]]) -> None:
    """The curves of moving and still clips, and of warping: one PNG."""
    panels = []
    for clip, measure, label in (
        ("all moving", "ms_ssim", "1 - MS-SSIM, nine clips"),
        ("all still", "ms_ssim", "1 - MS-SSIM, still camera"),
        ("all moving", "warping", "warping, nine clips"),
    ):
        if clip not in result:
            continue
        lines = {}
        for kind in ("fixed", "ahead", "worth", "hindsight"):
            rows = [row for name, row in result[clip].items() if name.startswith(kind) and measure in row]
            if not rows:
                continue
            value = (lambda row: 1 - row["ms_ssim"]) if measure == "ms_ssim" else (lambda row: row["warping"])
            lines[kind] = sorted((row["a_second"], value(row)) for row in rows)
        panels.append((label, lines))
    draw_lines(path, panels, across="key frames a second")


def decision_us() -> float:
    """Least CPU time of five runs over noise of 640x360, in which every frame is compared and none is a key frame."""
    random = np.random.default_rng(0)
    y, u = (random.integers(0, 256, shape, np.uint8) for shape in ((360, 640), (180, 320)))
    selector, runs = KeyFrameSelector(max_interval=1e9, min_interval=0), []
    for _ in range(5):
        start_s = time.process_time()
        for now in range(200):
            selector.decide(now=now, thumbnail=FrameThumbnail.at(y, u, u))
        runs.append((time.process_time() - start_s) / 200)
    return round(1e6 * min(runs), 1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--style", default="dusk")
    parser.add_argument("--delay", type=int, default=3, help="frames from a key frame to its answer (3)")
    parser.add_argument("--frames", type=int, default=1000, help="at most this many of each clip")
    parser.add_argument("--every", type=int, default=1, help="compare one of so many frames (1)")
    parser.add_argument("--hindsight", action="store_true", help="also draw the bound, which takes minutes")
    parser.add_argument("--still", type=Path, metavar="CLIP", help="somebody before a camera, to make still clips of")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves as a PNG")
    return parser.parse_args()


if __name__ == "__main__":
    main()
