"""Grids for tests: float16 [3, D, R, C, 4], in multiples of 1/1024 below 2, which packing keeps exactly."""

import numpy as np

from pipeline.contract.grid_codec import STEPS

#: The strength of noise with which a grid packs to the size of the shipped model's grids.
LIFELIKE_DEVIATION = 0.015


def make_grid(size: tuple[int, int, int] = (8, 9, 16), seed: int = 0, deviation: float = 0.12) -> np.ndarray:
    """A strong look around the identity, which differs from cell to cell."""
    grid = np.random.default_rng(seed).normal(0, deviation, (3, *size, 4))
    grid[..., :3] += np.eye(3)[:, None, None, None]
    return (np.rint(grid * STEPS) / STEPS).astype(np.float16)


def lifelike_grid() -> np.ndarray:
    """A grid that packs to 12.2 KB, the mean size of the shipped model's over 24 photos (10.4 to 13.8 KB)."""
    return make_grid(deviation=LIFELIKE_DEVIATION)
