"""Reassembled videos beside every frame stylized, by mode, interval and size:

uv run python tests/benchmarks/reassembly.py CLIPS [--vgg FILE] [--sizes 512x256 ...] [--intervals 10 ...]
    [--modes grid live ...] [--phase 5] [--frames 61] [--every 7] [--only NAME ...] [--quick]

CLIPS is a folder of videos, stretched to each size (portrait ones to the turned size). What is compared are the frames
of `mvstylizer video` with --interval K and with --every-frame, without a codec between. With --vgg the modes of pixels
are those of model paper. `live` are live clients, at the first size only: every answer at once, and every answer a
second late. The pulse is the warping error at key frames, as a share of that between, both beside every frame's. All of
it takes hours; at 1920x1080 a frame takes 6 s of a core, at 512x256 half a second. --every 7 scores one frame in 7,
which is none in particular between key frames. The last line is JSON.
"""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import count, islice
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parent.parent))

import av
import cv2
import numpy as np
import torch
from tqdm import tqdm

from clients.feeds.containers import FILES
from clients.media.clip import Clip, upright, upright_luma
from clients.media.geometry import resized
from clients.reassembly.flow import ESTIMATORS, flow_between, small_luma
from clients.reassembly.grid import STILL, apply_grid
from clients.reassembly.grid_fade import GridFade
from clients.reassembly.residual import fit_grid
from clients.reassembly.tracker import Tracker
from support.pictures.metrics import WarpingError, ms_ssim, psnr
from workers.files.arguments import output_size, style_picture
from workers.files.key_frame_answers import Answer, GridAnswers, PaperAnswers
from workers.files.key_frames import Choice, Marked, fixed, marked
from workers.files.model_loading import load_paper, load_stylizer
from workers.files.painting import MODES, Canvas, Neighbour
from workers.files.video import answered, reassembled

SIZES = ["512x256", "768x384", "1024x512", "1920x1080"]
INTERVALS = [5, 10, 20, 30]
#: Name -> mode and flow.
VARIANTS = {
    "grid": ("grid", "dis"),
    "grid, lk": ("grid", "lk"),
    "grid, no flow": ("grid", "none"),
    "residual": ("residual", "dis"),
    "warp": ("warp", "dis"),
}
LATE_INTERVAL, LATE_S = 15, 1.0


class Remembering:
    """A model that answers the same question once; its states are numbers."""

    def __init__(self, model: object) -> None:
        self._model, self._answers = model, {}

    def style(self, image: np.ndarray, *mood: float) -> object:
        return self._model.style(image, *mood)

    def follow(self, content: np.ndarray, style: object, state: int | None, *, elapsed_s: float) -> tuple:
        question = digest(content), state, elapsed_s
        if question not in self._answers:
            before = None if state is None else self._answers[state][1]
            self._answers[question] = self._model.follow(content, style, before, elapsed_s=elapsed_s)
        return self._answers[question][0], question

    def stylize(self, content: np.ndarray, style: object, *, size: tuple[int, int]) -> np.ndarray:
        question = digest(content), size
        if question not in self._answers:
            self._answers[question] = self._model.stylize(content, style, size=size)
        return self._answers[question]


def digest(picture: np.ndarray) -> bytes:
    return blake2b(np.ascontiguousarray(picture[::4, ::4])).digest()


class Run:
    """One clip at one size, by either model."""

    def __init__(
        self, path: Path, size: tuple[int, int], frames: int, models: dict[str, object], style: np.ndarray, phase: int
    ) -> None:
        self._path, self._frames, self._models, self._style, self.phase = path, frames, models, style, phase
        with Clip(path) as clip:
            self.rate = clip.rate
            width, height = clip.size
        self.size = size if width >= height else size[::-1]

    def camera(self) -> Iterator[Marked]:
        with Clip(self._path) as clip:
            yield from islice(marked(clip.frames(), fixed(1)), self._frames)

    def pictures(self, model: str, variant: str, interval: int) -> Iterator[np.ndarray]:
        """What `mvstylizer video` would write."""
        mode, flow = VARIANTS[variant]
        with Clip(self._path) as clip:
            frames = marked(islice(clip.frames(), self._frames), shifted(interval, self.phase))
            stylized = answered(frames, self.answers(model))
            canvas = Canvas(self.size, lambda: None)
            yield from (picture for _, picture in reassembled(stylized, MODES[mode], ESTIMATORS[flow](), canvas))

    def answers(self, model: str) -> Callable[[Marked], Answer]:
        options = {"size": self.size, "strength": 1.0}
        if model == "paper":
            return PaperAnswers(self._models[model], self._style, **options)
        return GridAnswers(self._models[model], self._style, rate=self.rate, **options)

    def live(self, flow: str, late: int) -> Iterator[np.ndarray | None]:
        """What a live client shows whose answers come `late` frames after their key frames; None before the first."""
        look, tracker, answers, due, on_show = GridFade(), Tracker(ESTIMATORS[flow]()), self.answers("grid"), {}, -1
        for now in self.camera():
            picture, luma = resized(upright(now.frame), self.size), small_luma(upright_luma(now.frame))
            tracker.see(now.index, luma, float(now.index / self.rate))
            grid = look.step(moves(tracker, on_show))
            yield None if grid is None else apply_grid(picture, grid)
            if now.index % LATE_INTERVAL == 0 or now.cut:
                key = Marked(now.frame, now.index, True, now.cut)
                due[now.index + late] = now.index, answers(key).grid, now.cut
                tracker.announce(now.index)
            if now.index in due:
                on_show, grid, cut = due.pop(now.index)
                look.arrive(grid, cut=cut)
                tracker.show(on_show)


def shifted(interval: int, phase: int) -> Choice:
    """Every so many frames, from `phase` on; the first frame is one anyway."""
    indices = count()
    return lambda frame, thumbnail, since: next(indices) % interval == phase % interval


def moves(tracker: Tracker, key: int) -> np.ndarray:
    flow = tracker.flow(key)
    return flow.lookup_flow if flow else STILL


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    models = {"grid": Remembering(load_stylizer())}
    if args.vgg:
        models["paper"] = Remembering(load_paper(None, args.vgg))
    style, result = style_picture(args.style), {}
    paths = chosen(args)
    for name in args.sizes:
        rows: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
        for path in tqdm(paths, desc=name, unit="clip", leave=False):
            run = Run(path, output_size(name), args.frames, models, style, args.phase)
            live_too = "live" in args.modes and name == args.sizes[0]
            for row, scores in (files(run, args) | (live(run) if live_too else {})).items():
                rows[row][path.stem] = scores
        result[name] = report(name, rows)
    print(json.dumps(result).replace("NaN", "null"))  # a pulse that no scored frame shows


def chosen(args: argparse.Namespace) -> list[Path]:
    paths = sorted(path for path in args.clips.iterdir() if path.suffix in FILES)
    return [path for path in paths if not args.only or path.stem in args.only][:: 3 if args.quick else 1]


def files(run: Run, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Per variant and interval, the scores of one clip."""
    scores = {}
    for model in ["grid", "paper"] if args.vgg else ["grid"]:
        of_pixels = {v: VARIANTS[v][0] != "grid" for v in args.modes if v in VARIANTS}
        variants = [v for v in of_pixels if of_pixels[v] == (model == "paper") or not args.vgg]
        cells = [(variant, interval) for variant in variants for interval in args.intervals]
        outputs = [run.pictures(model, *cell) for cell in cells]
        names = [f"{variant} ({model}), K={interval}" for variant, interval in cells]
        every = run.pictures(model, "grid", 1)
        scores |= compared(run, every, dict(zip(names, outputs)), [k for _, k in cells], args.every) if cells else {}
    return scores


def compared(
    run: Run, every: Iterator[np.ndarray], outputs: dict[str, Iterator[np.ndarray]], intervals: list[int], step: int
) -> dict[str, dict[str, float]]:
    sums, steady = defaultdict(lambda: defaultdict(list)), WarpingError()
    for camera, reference, *pictures in zip(run.camera(), every, *outputs.values()):
        scored = camera.index % step == step - 1
        if not scored and (camera.index + 1) % step != step - 1:
            continue
        if not scored or camera.cut:
            steady = WarpingError()
        source, wanted = unit(resized(upright(camera.frame), run.size)), unit(reference)
        shown = dict(zip(outputs, map(unit, pictures)))
        errors = steady.next(source, {"every": wanted} | shown)
        if not scored:
            continue
        for (name, picture), interval in zip(shown.items(), intervals):
            sums[name]["ms_ssim"].append(ms_ssim(wanted, picture))
            sums[name]["psnr"].append(psnr(wanted, picture))
            at = "at" if camera.index % interval == run.phase % interval else "between"
            for video in (name, "every") if errors else ():
                sums[name][f"{at} {'out' if video == name else video}"].append(errors[video])
    return {name: summed(lists) for name, lists in sums.items()}


def summed(lists: dict[str, list[float]]) -> dict[str, float]:
    out, every = (lists[f"at {video}"] + lists[f"between {video}"] for video in ("out", "every"))
    at, between = (ratio(lists[f"{at} out"], lists[f"{at} every"]) for at in ("at", "between"))
    return {
        "ms_ssim": float(np.mean(lists["ms_ssim"])),
        "psnr": float(np.mean(lists["psnr"])),
        "warping_error": float(np.mean(out)),
        "warping_ratio": ratio(out, every),
        "pulse": at / between,
    }


def ratio(out: list[float], every: list[float]) -> float:
    return float(np.sum(out) / np.sum(every)) if every else float("nan")


def live(run: Run) -> dict[str, dict[str, float]]:
    """A live client, where the answers come at once and where they come late, on the frames that both show."""
    late = round(LATE_S * run.rate)
    names = {
        f"live, {flow}, {what}": run.live(flow, by)
        for flow in ("dis", "none")
        for what, by in (("at once", 0), ("1 s late", late))
    }
    scores = defaultdict(list)
    for reference, *pictures in zip(run.pictures("grid", "grid", 1), *names.values()):
        if all(picture is not None for picture in pictures):
            for name, picture in zip(names, pictures):
                scores[name].append((ms_ssim(unit(reference), unit(picture)), psnr(unit(reference), unit(picture))))
    return {name: dict(zip(("ms_ssim", "psnr"), map(float, np.mean(rows, 0)))) for name, rows in scores.items()}


def unit(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255


def report(size: str, rows: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict]:
    took = milliseconds(output_size(size))
    heads = " ".join(f"{head:>8}" for head in ("MS-SSIM", "worst", "PSNR", "warping", "of every", "worst", "pulse"))
    print(f"\n{size:32} {heads}")
    for name, clips in rows.items():
        column = {key: [clip[key] for clip in clips.values()] for key in next(iter(clips.values()))}
        cells = [np.mean(column["ms_ssim"]), min(column["ms_ssim"]), np.mean(column["psnr"])]
        if "pulse" in column:
            ratios = column["warping_ratio"]
            cells += [np.mean(column["warping_error"]), np.mean(ratios), max(ratios), np.mean(column["pulse"])]
        print(f"{name:32} " + " ".join(f"{cell:8.4f}" for cell in cells), flush=True)
    print("flow and reassembly, ms of one core: " + ", ".join(f"{name} {ms}" for name, ms in took.items()), flush=True)
    return {"rows": rows, "ms": took}


def milliseconds(size: tuple[int, int]) -> dict[str, float]:
    """Flow and reassembly of one frame from one key frame; files take two."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    scene = cv2.resize(noise, (size[0] + 8, size[1]), interpolation=cv2.INTER_CUBIC)
    key, now = (av.VideoFrame.from_ndarray(scene[:, at : at + size[0]].copy(), format="rgb24") for at in (0, 8))
    grid = fit_grid(upright(key), 255 - upright(key))
    luma_key, luma = (small_luma(upright_luma(frame)) for frame in (key, now))
    answer, canvas = Answer(key, size, grid, luma_key), Canvas(size, lambda: None)
    assert answer.stylized.shape == answer.picture.shape, "both are made now"
    took = {}
    for name, (mode, estimator) in VARIANTS.items():
        paint, estimate = MODES[mode].paint, ESTIMATORS[estimator]()
        took[name] = cpu_ms(
            lambda: paint(now, Neighbour(answer, flow_between(luma, answer.luma, estimate)), None, 0, canvas)
        )
    return took


def cpu_ms(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(11):
        started = time.process_time_ns()
        work()
        times.append((time.process_time_ns() - started) / 1e6)
    return round(median(times), 1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--vgg", type=Path, help="VGG-19 of model paper")
    parser.add_argument("--style", default="autumn")
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--modes", nargs="+", choices=[*VARIANTS, "live"], default=[*VARIANTS, "live"])
    parser.add_argument("--intervals", nargs="+", type=int, default=INTERVALS)
    parser.add_argument("--phase", type=int, default=0, help="index of the second key frame, modulo the interval (0)")
    parser.add_argument("--frames", type=int, default=10_000, help="at most this many of each clip")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="score one frame in N (1)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the clips, these")
    parser.add_argument("--quick", action="store_true", help="a third of the clips, 70 frames, 512x256, K = 10")
    args = parser.parse_args()
    if args.quick:
        args.frames, args.sizes, args.intervals = 70, ["512x256"], [10]
    return args


if __name__ == "__main__":
    main()
