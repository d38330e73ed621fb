"""An edge worker whose model takes a fixed time and no processor time.

    uv run python tests/support/system/stub.py --redis URL [--ms 30]

Everything else (queue, Redis, decoding and packing) is the real worker's. It is for benchmarks and tests of everything
but the model.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

import workers.stylize
from edge.grid_model.temporal_average import StreamState

sys.path.insert(0, str(Path(__file__).parents[2]))
from support.pictures.grids import lifelike_grid  # noqa: E402 (it lies beside this script, which is run directly)


class FixedTime:
    """A stylizer that sleeps, then answers with always the same grid, as large when packed as the shipped model's."""

    device, model_version = "cpu", "stub"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._grid, equations = lifelike_grid(), torch.rand(1, 4, 7, 8, 9, 16)
        self._state = StreamState(equations, equations)

    def style(self, image: np.ndarray, mood: float = 1.0) -> str:
        return "a style"

    def equations_of_each(self, contents: list[np.ndarray], styles: list[str]) -> list[torch.Tensor]:
        time.sleep(len(contents) * self._seconds)  # a batch saves nothing
        return [self._state.last] * len(contents)

    def previews(self, content: np.ndarray, styles: list[str]) -> np.ndarray:
        time.sleep(self._seconds)
        return np.stack([self._grid[:, :, ::2, ::2]] * len(styles))

    def settle(self, equations: torch.Tensor, state: object, **_: object) -> tuple[np.ndarray, StreamState]:
        return self._grid, self._state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    workers.stylize.add_arguments(parser)
    parser.add_argument("--ms", type=float, default=30, help="what a key frame takes (default 30)")
    args = parser.parse_args()
    workers.stylize.first_model = lambda newest: FixedTime(args.ms / 1e3)
    workers.stylize.run(args)


if __name__ == "__main__":
    main()
