"""How much the look jumps from key frame to key frame with one worker and with two:

    uv run python tests/benchmarks/two_workers.py CLIPS [--style dusk ...] [--interval 0.5]

CLIPS is a folder of videos. Key frames go through a real Redis to the shipped model, in the process of this script.
A jump is the mean change of a key frame's picture, in levels, when its own grid takes the place of the one before.

- one: a single worker.
- two: either of two workers takes a key frame, at random.
- at once: two workers, and key frames are under way in pairs: both are taken before either is answered.
- apart: two workers as before 2026-11-28, each with a memory of its own.

The table has the jump with one worker, and the others as a ratio to it (<= 1.1 is wanted). The last line is JSON.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import islice
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.media.clip import Clip, upright  # noqa: E402
from clients.reassembly.grid import apply_grid  # noqa: E402
from edge.grid_model.stylizer import GridStylizer  # noqa: E402
from pipeline.contract.grid_codec import unpack_grid  # noqa: E402
from pipeline.contract.image_codec import encode_jpeg  # noqa: E402
from pipeline.contract.messages import KeyFrame  # noqa: E402
from pipeline.contract.settings import Settings  # noqa: E402
from pipeline.key_frames.picker import KEY_FRAME_SIDE_PX, shrunk  # noqa: E402
from pipeline.queues.broker import GatewayBroker  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.services.redis_process import RedisServer  # noqa: E402
from workers.stylize import Edge  # noqa: E402

VARIANTS = ("one", "two", "at once", "apart")


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            measure(args, replace(Settings(), redis_url=server.url))
        finally:
            server.stop()


def measure(args: argparse.Namespace, settings: Settings) -> None:
    stylizer, styles = GridStylizer.load(), {style.name.lower().replace(" ", "-"): style.id for style in shipped()}
    bench, ratios = Bench(settings, stylizer), {variant: [] for variant in VARIANTS[1:]}
    print(f"{'clip':24} {'style':14} {'key frames':>10} {'one':>8}" + "".join(f"{name:>9}" for name in VARIANTS[1:]))
    for path in sorted(path for path in args.clips.iterdir() if path.suffix in (".mp4", ".mkv", ".webm", ".mov")):
        pictures = key_frames(path, args.interval)
        for name in args.style:
            jumps = {variant: bench.jump(pictures, styles[name], variant, args.interval) for variant in VARIANTS}
            for variant, found in ratios.items():
                found.append(jumps[variant] / jumps["one"])
            numbers = "".join(f"{found[-1]:9.3f}" for found in ratios.values())
            print(f"{path.stem:24} {name:14} {len(pictures):>10} {jumps['one']:8.3f}{numbers}", flush=True)
    bench.close()
    print(json.dumps({f"worst_{variant}": round(max(found), 3) for variant, found in ratios.items()}))


class Waiting:
    """A model that lets something happen once, after it was told what the stream remembers."""

    def __init__(self, stylizer: GridStylizer) -> None:
        self._stylizer, self.model_version, self.device = stylizer, stylizer.model_version, stylizer.device
        self.style, self.equations = stylizer.style, stylizer.equations
        self.meanwhile: Callable[[], None] = lambda: None

    def settle(self, *arguments, **options):
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return self._stylizer.settle(*arguments, **options)


class Bench:
    """Two workers, and streams that are new each time."""

    def __init__(self, settings: Settings, stylizer: GridStylizer) -> None:
        self._broker = GatewayBroker(settings.redis_url, edge_id=settings.edge_id, gateway_id="bench")
        self._second = Waiting(stylizer)
        self._workers = Edge(settings, stylizer), Edge(settings, self._second)
        self._names = itertools.count()

    def jump(self, pictures: Sequence[np.ndarray], style_id: str, variant: str, interval_s: float) -> float:
        """Mean over a clip's key frames but the first."""
        grids = asyncio.run(self._grids(pictures, style_id, variant, interval_s))
        levels = [
            np.abs(apply_grid(picture, grid).astype(float) - apply_grid(picture, before)).mean()
            for picture, before, grid in zip(pictures[1:], grids, grids[1:], strict=False)
        ]
        return float(np.mean(levels))

    async def _grids(
        self, pictures: Sequence[np.ndarray], style_id: str, variant: str, interval_s: float
    ) -> list[np.ndarray]:
        name, choice = f"stream-{next(self._names)}", random.Random(1)
        turns = [0 if variant == "one" else choice.randrange(2) for _ in pictures]
        frames = [
            KeyFrame(
                "bench",
                f"{name}-{turn}" if variant == "apart" else name,
                number,
                style_id,
                False,
                encode_jpeg(picture),
                picked_ms=round(1000 * interval_s * number),
            )
            for number, (picture, turn) in enumerate(zip(pictures, turns, strict=True))
        ]
        found: dict[int, np.ndarray] = {}
        async with aclosing(self._broker.answers()) as answers:
            together = 2 if variant == "at once" else 1
            for begin in range(0, len(frames), together):
                batch = frames[begin : begin + together]
                await asyncio.to_thread(self._answer, batch, turns)
                for _ in batch:
                    answer = await anext(answers)
                    while answer.stream_id not in (name, f"{name}-0", f"{name}-1"):  # of a stream before
                        answer = await anext(answers)
                    found[answer.frame_id] = unpack_grid(answer.grid, answer.grid_shape)
        return [found[number] for number in sorted(found)]

    def _answer(self, frames: Sequence[KeyFrame], turns: Sequence[int]) -> None:
        for frame in frames:
            self._broker.submit(frame)
        first, *more = frames
        if not more:
            return self._workers[turns[first.frame_id]].stylize(first.stream_id, first.frame_id)
        self._second.meanwhile = lambda: self._workers[0].stylize(first.stream_id, first.frame_id)
        self._workers[1].stylize(more[0].stream_id, more[0].frame_id)

    def close(self) -> None:
        self._broker.close()


def key_frames(path: Path, interval_s: float) -> list[np.ndarray]:
    """RGB uint8 H W 3, one each `interval_s`, as the gateway sends them."""
    with Clip(path) as clip:
        step = max(1, round(interval_s * clip.rate))
        return [shrunk(upright(frame), KEY_FRAME_SIDE_PX) for frame in islice(clip.frames(), 0, None, step)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--style", nargs="+", default=["autumn", "dusk"])
    parser.add_argument("--interval", type=float, default=0.5, help="seconds between key frames (default 0.5)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
