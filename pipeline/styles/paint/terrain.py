"""Renders landscapes: a height map with trees and shadows, seen by a camera that stands in it."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.styles.paint.brushes import blur, fractal, sample

SIDE = 2048


@dataclass(frozen=True, slots=True)
class Land:
    """A tile of ground that repeats in both directions, as layers of SIDE x SIDE pixels."""

    heights: np.ndarray  # metres above the water, trees included
    light: np.ndarray  # the sunlight received, 0..1, with cast shadows
    occlusion: np.ndarray  # the skylight received, 0..1
    slope: np.ndarray  # 0 for flat ground, 1 for upright
    trees: np.ndarray  # 0 for bare ground, otherwise the height in the tree's crown, up to 1
    kinds: np.ndarray  # a random number 0..1 for each tree
    metre_px: float  # pixels of the tile in a metre


@dataclass(frozen=True, slots=True)
class View:
    """What a camera sees of a land at each pixel of its picture."""

    distance: np.ndarray  # H W, in metres; infinite for the sky
    x: np.ndarray  # H W, the position in the tile, in its pixels
    y: np.ndarray

    @property
    def ground(self) -> np.ndarray:
        return np.isfinite(self.distance)

    def of(self, layer: np.ndarray) -> np.ndarray:
        return sample(layer, self.x, self.y)


def mountains(seed: int, *, height_m: float, roughness: float = 2.1, ridged: float = 0.6) -> np.ndarray:
    """Return heights around 0 m, SIDE x SIDE. `ridged` is 0 for rolling hills and 1 for sharp crests on high ground."""
    rolling = fractal(seed, roughness=roughness, side=SIDE)
    crests = np.exp(-1.6 * np.abs(fractal(seed + 1, roughness=roughness, side=SIDE)))
    return (height_m * ((1 - 0.5 * ridged) * rolling + ridged * 2 * crests * (1 + np.tanh(rolling)) - ridged)).astype(
        np.float32
    )


def forest(seed: int, *, spacing_px: int, pointed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return trees on a jittered lattice, SIDE x SIDE: the height in the crown 0..1, and a number 0..1 of each tree."""
    cells = SIDE // spacing_px
    random = np.random.default_rng(seed)
    jitter, sizes = random.random((cells, cells, 2), np.float32), random.uniform(0.55, 1, (cells, cells))
    numbers = random.random((cells, cells), np.float32)
    y, x = (np.mgrid[:SIDE, :SIDE] / np.float32(SIDE / cells)).astype(np.float32)
    crown, kind = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.float32)
    for step in np.ndindex(3, 3):
        row, column = y.astype(int) + step[0] - 1, x.astype(int) + step[1] - 1
        place = jitter[row % cells, column % cells]
        away = np.hypot(y - row - place[..., 0], x - column - place[..., 1]) / 0.95
        profile = np.maximum(1 - away, 0) if pointed else np.sqrt(np.maximum(1 - away * away, 0))
        here = profile * sizes[row % cells, column % cells]
        kind = np.where(here > crown, numbers[row % cells, column % cells], kind)
        crown = np.maximum(crown, here).astype(np.float32)
    return crown, kind


def build(
    heights: np.ndarray,
    *,
    metre_px: float,
    sun: tuple[float, float, float],
    trees: tuple[np.ndarray, np.ndarray] | None = None,
    tree_m: float = 0,
) -> Land:
    """Make a land from a height map in metres; `sun` is the direction to the sun (right, away from the camera, up)."""
    crown, kinds = trees or (np.zeros_like(heights), np.zeros_like(heights))
    surface = heights + tree_m * crown
    right = cv2.Sobel(surface, cv2.CV_32F, 1, 0, scale=metre_px / 8)
    away = cv2.Sobel(surface, cv2.CV_32F, 0, 1, scale=metre_px / 8)
    steep = np.sqrt(1 + right**2 + away**2)
    towards = np.array(sun) / np.linalg.norm(sun)
    facing = np.maximum((-right * towards[0] - away * towards[1] + towards[2]) / steep, 0)
    hollow = (blur(surface, 12) - surface) * metre_px / 12
    return Land(
        heights=surface,
        light=facing * _unshadowed(surface, towards, metre_px),
        occlusion=np.clip(0.75 - 1.2 * hollow, 0.15, 1),
        slope=1 - 1 / steep,
        trees=crown,
        kinds=kinds,
        metre_px=metre_px,
    )


def _unshadowed(surface: np.ndarray, towards: np.ndarray, metre_px: float) -> np.ndarray:
    """Return 1 where the sun can be seen, and 0 where higher ground hides it."""
    flat = np.hypot(towards[0], towards[1])
    hidden = np.zeros_like(surface)
    for step in np.unique(np.geomspace(1, 300, 40).astype(int)):
        shift = (-round(step * towards[1] / flat), -round(step * towards[0] / flat))
        ray = surface + step / metre_px * towards[2] / flat
        hidden = np.maximum(hidden, np.roll(surface, shift, (0, 1)) - ray)
    return np.exp(-hidden * metre_px * 0.5)


def look(
    land: Land,
    shape: tuple[int, int],
    *,
    at: tuple[float, float],
    eye_m: float,
    horizon: float,
    focal: float,
    far_m: float,
    near_m: float = 4,
    water_m: float | None = None,
) -> View:
    """Find what each pixel sees, by a search in the running maximum of the projected ground of its column.

    `at` is the camera's position in the tile, in pixels. `horizon` is a row and `focal` a length, both as fractions of
    the picture's height.
    """
    rows, columns = shape
    distances = np.geomspace(near_m, far_m, 1400).astype(np.float32)
    sideways = (np.arange(columns, dtype=np.float32) - columns / 2) / (focal * rows)
    x = at[0] + distances[:, None] * sideways * land.metre_px
    y = np.repeat(at[1] + distances[:, None] * land.metre_px, columns, 1)
    ground = sample(land.heights, x, y)
    ground = ground if water_m is None else np.maximum(ground, water_m)
    up = focal * rows * (ground - eye_m) / distances[:, None]
    wanted = horizon * rows - np.arange(rows - 1, -1, -1, dtype=np.float32)
    seen = np.stack([np.searchsorted(column, wanted) for column in np.maximum.accumulate(up).T], 1)[::-1]
    index = np.minimum(seen, len(distances) - 1)
    distance = np.where(seen < len(distances), _between(up, distances, index, wanted[::-1]), np.inf)
    near = np.where(np.isfinite(distance), distance, far_m).astype(np.float32)
    return View(distance, at[0] + near * sideways * land.metre_px, at[1] + near * land.metre_px)


def _between(up: np.ndarray, distances: np.ndarray, index: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the distance at which the ground crosses the pixel's row, interpolated between two samples."""
    before, columns = np.maximum(index - 1, 0), np.arange(up.shape[1])
    low, high = up[before, columns], up[index, columns]
    share = np.clip((wanted[:, None] - low) / np.maximum(high - low, 1e-6), 0, 1)
    return distances[before] + (distances[index] - distances[before]) * share
