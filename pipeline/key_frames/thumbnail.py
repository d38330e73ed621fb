"""As much of a frame as the choice of key frames needs, and what differs between two of them."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Self

import cv2
import numpy as np

#: The long side of the thumbnail: each of the grid's cells has CELL_PX x CELL_PX of its pixels.
THUMBNAIL_SIDE_PX = 64
CELL_PX = 4
HISTOGRAM_BINS = 32
#: A cut moves this share of the pixels to other bins of the histogram. Without cuts, nine real clips stay below 0.2,
#: or below 0.26 when every other frame is lost.
CUT_SHARE = 0.3
#: A cut also moves pixels by this many of 256 levels on average. The noise of a video coder never does so, not even in
#: a flat picture. Of 1000 cuts between two of these clips, all but 2 pass both limits.
CUT_LEVELS = 8


@dataclass(frozen=True)
class FrameThumbnail:
    """A frame shrunk to as much as the decision needs."""

    luma: np.ndarray  # uint8 [H, W], long side THUMBNAIL_SIDE_PX
    u: np.ndarray  # uint8, about half as large
    v: np.ndarray

    @classmethod
    def at(cls, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> Self:
        """Shrink uint8 planes [H, W] of any size; `u` and `v` must have equal sizes."""
        scale = THUMBNAIL_SIDE_PX / max(y.shape)
        size = max(1, round(y.shape[1] * scale)), max(1, round(y.shape[0] * scale))
        rows = y[:: max(1, y.shape[0] // (2 * size[1]))]  # two rows for each pixel are enough, at a quarter of the cost
        luma = cv2.resize(rows, size, interpolation=cv2.INTER_AREA)
        step = max(1, 2 * max(u.shape) // THUMBNAIL_SIDE_PX)
        return cls(luma, u[::step, ::step].copy(), v[::step, ::step].copy())

    @cached_property
    def histograms(self) -> np.ndarray:
        """The histograms of Y, U and V, [3, HISTOGRAM_BINS]; each sums to 1."""
        return np.stack([_levels(plane) for plane in (self.luma, self.u, self.v)]) @ _bins()


def _levels(plane: np.ndarray) -> np.ndarray:
    """Return the share of pixels at each of 256 levels."""
    return np.bincount(plane.ravel(), minlength=256) / plane.size


@cache
def _bins() -> np.ndarray:
    """Return how each level is divided between the two bins nearest to it, so that a small change moves only little.

    The result is [256, HISTOGRAM_BINS]; each row sums to 1.
    """
    centres = (np.arange(HISTOGRAM_BINS) + 0.5) * 256 / HISTOGRAM_BINS - 0.5
    at = np.clip(np.arange(256), centres[0], centres[-1])
    return np.maximum(0, 1 - np.abs(at[:, None] - centres) * HISTOGRAM_BINS / 256)


def is_cut(before: FrameThumbnail, after: FrameThumbnail) -> bool:
    """Return whether two consecutive frames belong to different scenes, judged by their brightness and colours."""
    if not _changed(before, after):
        return False
    change = before.histograms - after.histograms
    share = np.abs(change).sum(1) / 2
    levels = np.abs(change.cumsum(1)).sum(1) * 256 / HISTOGRAM_BINS
    return bool(((share > CUT_SHARE) & (levels > CUT_LEVELS)).any())


def _changed(before: FrameThumbnail, after: FrameThumbnail) -> bool:
    """Return whether the pixels of any plane changed by CUT_LEVELS on average; if not, there is no cut.

    This costs little, and in most frames it saves the histograms.
    """
    planes = (before.luma, after.luma), (before.u, after.u), (before.v, after.v)
    return any(a.shape != b.shape or cv2.norm(a, b, cv2.NORM_L1) > CUT_LEVELS * a.size for a, b in planes)
