"""Which frames become key frames: a pure decision, no clock and no I/O."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, Self

import cv2
import numpy as np

Reason = Literal["first", "cut", "style", "asked", "interval", "uncovered"]

#: Long side of the picture that is looked at: 4x4 pixels for each of the grid's cells.
LOOK_SIDE_PX = 64
CELL_PX = 4
LUMA_LAYERS = 8
HISTOGRAM_BINS = 32
#: A cut moves this share of pixels to other bins. Nine real clips stay below 0.2, or 0.26 with every other frame lost.
CUT_SHARE = 0.3
#: And pixels by so many of 256 levels on average, which a coder's noise never does, not even in a flat picture. Cuts
#: between two of these clips do both, all but 2 of 1000.
CUT_LEVELS = 8
#: So many levels of a coder's noise move no pixel into an uncovered cell.
NOISE_LEVELS = 4
#: Share of pixels, 0..1, whose cell of the grid was empty in the key frame.
UNCOVERED_FRACTION = 0.08


@dataclass(frozen=True)
class FrameThumbnail:
    """As much of a frame as the decision needs."""

    luma: np.ndarray  # uint8 [H, W], long side LOOK_SIDE_PX
    u: np.ndarray  # uint8, about half as large
    v: np.ndarray

    @classmethod
    def at(cls, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> Self:
        """From uint8 planes [H, W] of any size; u and v are equally large."""
        scale = LOOK_SIDE_PX / max(y.shape)
        size = max(1, round(y.shape[1] * scale)), max(1, round(y.shape[0] * scale))
        rows = y[:: max(1, y.shape[0] // (2 * size[1]))]  # two rows a pixel do, at a quarter of the cost
        luma = cv2.resize(rows, size, interpolation=cv2.INTER_AREA)
        step = max(1, 2 * max(u.shape) // LOOK_SIDE_PX)
        return cls(luma, u[::step, ::step].copy(), v[::step, ::step].copy())

    @cached_property
    def histograms(self) -> np.ndarray:
        """[3, HISTOGRAM_BINS], of Y, U and V: each sums to 1."""
        return np.stack([_levels(plane) for plane in (self.luma, self.u, self.v)]) @ _bins()

    @property
    def cells(self) -> np.ndarray:
        """The cell of the grid (row, column, luma layer) that each pixel falls into, as one number; [H, W]."""
        return _cells(self.luma)

    @cached_property
    def seen(self) -> np.ndarray:
        """Of each cell, whether any pixel falls into it or nearly so; bool [cells]."""
        seen = np.zeros(_first_layers(*self.luma.shape)[-1, -1] + LUMA_LAYERS, bool)
        brighter = cv2.add(self.luma, NOISE_LEVELS)  # type: ignore[call-overload]  # OpenCV's stubs know no scalars
        darker = cv2.subtract(self.luma, NOISE_LEVELS)  # type: ignore[call-overload]
        seen[_cells(brighter)] = seen[_cells(darker)] = True
        return seen


def _levels(plane: np.ndarray) -> np.ndarray:
    """Share of pixels at each of 256 levels."""
    return np.bincount(plane.ravel(), minlength=256) / plane.size


@cache
def _bins() -> np.ndarray:
    """Share, [256, HISTOGRAM_BINS], of each level in the two bins next to it: a level more moves little."""
    centres = (np.arange(HISTOGRAM_BINS) + 0.5) * 256 / HISTOGRAM_BINS - 0.5
    at = np.clip(np.arange(256), centres[0], centres[-1])
    return np.maximum(0, 1 - np.abs(at[:, None] - centres) * HISTOGRAM_BINS / 256)


def _cells(luma: np.ndarray) -> np.ndarray:
    return _first_layers(*luma.shape) + luma // (256 // LUMA_LAYERS)


@cache
def _first_layers(height: int, width: int) -> np.ndarray:
    """Number of the darkest cell at each pixel's row and column; [H, W]."""
    y, x = np.mgrid[:height, :width] // CELL_PX
    return (y * (x[0, -1] + 1) + x) * LUMA_LAYERS


def is_cut(before: FrameThumbnail, after: FrameThumbnail) -> bool:
    """Whether two consecutive frames belong to different scenes, by brightness or by colours."""
    if not _changed(before, after):
        return False
    change = before.histograms - after.histograms
    share = np.abs(change).sum(1) / 2
    levels = np.abs(change.cumsum(1)).sum(1) * 256 / HISTOGRAM_BINS
    return bool(((share > CUT_SHARE) & (levels > CUT_LEVELS)).any())


def _changed(before: FrameThumbnail, after: FrameThumbnail) -> bool:
    """Whether the pixels of any plane moved by CUT_LEVELS on average: no histogram moves further than its pixels."""
    planes = (before.luma, after.luma), (before.u, after.u), (before.v, after.v)
    return any(a.shape != b.shape or cv2.norm(a, b, cv2.NORM_L1) > CUT_LEVELS * a.size for a, b in planes)


def uncovered_fraction(key: FrameThumbnail, now: FrameThumbnail) -> float:
    """Share of `now`'s pixels, 0..1, in cells of the grid where `key` had no pixel: the grid only guesses there."""
    if key.luma.shape != now.luma.shape:
        return 1.0
    return 1 - np.count_nonzero(key.seen[now.cells]) / now.luma.size


@dataclass(slots=True)
class KeyFrameSelector:
    """Decides frame by frame for one stream. Backlog stretches the interval: that is the whole back-pressure.

    Intervals have the unit of `now`: seconds of a live stream, frames of a file.
    """

    max_interval: float = 0.5
    #: Requests and uncovered cells come sooner than the interval, but never faster than this.
    min_interval: float = 0.125
    #: Cuts come sooner still: within two frames, even of 60 a second.
    cut_interval: float = 0.05
    max_in_flight: int = 2
    _last_key: float | None = None
    _key: FrameThumbnail | None = None
    _previous: FrameThumbnail | None = None
    #: What waits for the rate cap or a free slot; the newest frame then gets it.
    _pending: Reason | None = None

    @classmethod
    def for_file(cls, max_interval: int) -> Self:
        """`content` key frames: `now` counts frames, all of them are there, and nothing is ever in flight."""
        return cls(max_interval=max_interval, min_interval=min(3, max_interval), cut_interval=1)

    def ask(self, reason: Literal["style", "asked"]) -> None:
        """The next frame that may be a key frame shall be one."""
        self._pending = self._pending or reason

    def decide(
        self, *, now: float, thumbnail: FrameThumbnail, in_flight: int = 0, is_asked_ahead: bool = False
    ) -> Reason | None:
        """Why this frame is a key frame, or None. Call once a frame; `in_flight` counts unanswered key frames.

        `is_asked_ahead`: a frame still to come was asked for. An interval waits for it, once as long as it is.
        """
        if self._previous is not None and is_cut(self._previous, thumbnail):
            self._pending = "cut"
        self._previous = thumbnail
        reason = self._due(now, thumbnail, in_flight, self.max_interval * (1 + is_asked_ahead))
        if reason is not None:
            self._last_key, self._key, self._pending = now, thumbnail, None
        return reason

    def _due(self, now: float, thumbnail: FrameThumbnail, in_flight: int, interval: float) -> Reason | None:
        if in_flight >= self.max_in_flight:
            return None
        if self._key is None or self._last_key is None:
            return "first"
        waited = now - self._last_key
        if waited < (self.cut_interval if self._pending == "cut" else self.min_interval):
            return None
        if self._pending is None and waited < interval:
            return self._uncovered(self._key, thumbnail, in_flight)
        return self._pending or "interval"

    def _uncovered(self, key: FrameThumbnail, thumbnail: FrameThumbnail, in_flight: int) -> Reason | None:
        """An answer under way may already cover what the last one did not."""
        return "uncovered" if not in_flight and uncovered_fraction(key, thumbnail) > UNCOVERED_FRACTION else None
