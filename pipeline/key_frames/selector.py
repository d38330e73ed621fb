"""Decides which frames become key frames. The decision is pure: it has no clock and does no I/O."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, Self

import cv2
import numpy as np

Reason = Literal["first", "cut", "style", "asked", "interval", "uncovered"]

#: The long side of the thumbnail: each of the grid's cells has CELL_PX x CELL_PX of its pixels.
THUMBNAIL_SIDE_PX = 64
CELL_PX = 4
LUMA_LAYERS = 8
HISTOGRAM_BINS = 32
#: A cut moves this share of the pixels to other bins of the histogram. Without cuts, nine real clips stay below 0.2,
#: or below 0.26 when every other frame is lost.
CUT_SHARE = 0.3
#: A cut also moves pixels by this many of 256 levels on average. The noise of a video coder never does so, not even in
#: a flat picture. Of 1000 cuts between two of these clips, all but 2 pass both limits.
CUT_LEVELS = 8
#: A pixel that differs by up to this many levels still counts as covered: a video coder's noise is that large.
NOISE_LEVELS = 4
#: A new key frame is due when more than this share of the pixels (0..1) lies in cells that the last one left empty.
UNCOVERED_FRACTION = 0.08


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

    @property
    def cells(self) -> np.ndarray:
        """The number of the grid's cell (row, column, luma layer) that each pixel falls into, [H, W]."""
        return _cells(self.luma)

    @cached_property
    def seen(self) -> np.ndarray:
        """Which of the grid's cells have a pixel, or have one within NOISE_LEVELS of their luma; bool [cells]."""
        seen = np.zeros(_first_layers(*self.luma.shape)[-1, -1] + LUMA_LAYERS, bool)
        brighter = cv2.add(self.luma, NOISE_LEVELS)  # type: ignore[call-overload]  # OpenCV's stubs know no scalars
        darker = cv2.subtract(self.luma, NOISE_LEVELS)  # type: ignore[call-overload]
        seen[_cells(brighter)] = seen[_cells(darker)] = True
        return seen


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


def _cells(luma: np.ndarray) -> np.ndarray:
    return _first_layers(*luma.shape) + luma // (256 // LUMA_LAYERS)


@cache
def _first_layers(height: int, width: int) -> np.ndarray:
    """Return the number of the darkest cell at each pixel's row and column, [H, W]."""
    y, x = np.mgrid[:height, :width] // CELL_PX
    return (y * (x[0, -1] + 1) + x) * LUMA_LAYERS


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


def uncovered_fraction(key: FrameThumbnail, now: FrameThumbnail) -> float:
    """Return the share (0..1) of `now`'s pixels in cells where `key` has no pixel, so that the grid only guesses."""
    if key.luma.shape != now.luma.shape:
        return 1.0
    return 1 - np.count_nonzero(key.seen[now.cells]) / now.luma.size


@dataclass(slots=True)
class KeyFrameSelector:
    """Decides for each frame of one stream whether it should become a key frame.

    Intervals have the unit of `now`: seconds for a live stream and frames for a file.
    """

    max_interval: float = 0.5
    #: The shortest time between key frames, except after a cut.
    min_interval: float = 0.125
    #: The shortest time from a key frame to that of a cut: less than two frames at 30 frames a second.
    cut_interval: float = 0.05
    #: Frames that are further apart in time may differ as much as two scenes, so that only their sender can tell a cut.
    cut_gap: float = 0.15
    max_in_flight: int = 2
    #: The factor by which all intervals are longer while the service is busy; it is at least 1.
    stretch: float = 1.0
    _last_key: float | None = None
    _key: FrameThumbnail | None = None
    _previous: FrameThumbnail | None = None
    _previous_at: float = 0.0
    #: The reason why the next frame becomes a key frame, as soon as the shortest interval and `max_in_flight` allow it.
    _pending: Reason | None = None

    @classmethod
    def for_file(cls, max_interval: int) -> Self:
        """Make a selector for the frames of a file: `now` counts frames, none is lost and none is in flight."""
        return cls(max_interval=max_interval, min_interval=min(3, max_interval), cut_interval=1, cut_gap=1)

    def ask(self, reason: Literal["style", "asked", "cut"]) -> None:
        """Make the next possible frame a key frame, for this reason. A cut outweighs the other reasons."""
        self._pending = reason if reason == "cut" else self._pending or reason

    def decide(self, *, now: float, thumbnail: FrameThumbnail, in_flight: int = 0) -> Reason | None:
        """Return why this frame is a key frame, or None. This is `due` followed by `take`, if a key frame is due."""
        reason = self.due(now=now, thumbnail=thumbnail, in_flight=in_flight)
        if reason is not None:
            self.take(now, thumbnail)
        return reason

    def due(
        self, *, now: float, thumbnail: FrameThumbnail, in_flight: int = 0, is_asked_ahead: bool = False
    ) -> Reason | None:
        """Return why this frame should become a key frame, or None. Call this once for each frame.

        `in_flight` counts unanswered key frames. `is_asked_ahead` says that a frame was asked for which has not come
        yet; the selector then waits for it up to twice the usual interval.
        """
        if self._previous is not None and now - self._previous_at <= self.cut_gap and is_cut(self._previous, thumbnail):
            self._pending = "cut"
        self._previous, self._previous_at = thumbnail, now
        return self._due(now, thumbnail, in_flight, self.max_interval * self.stretch * (1 + is_asked_ahead))

    def take(self, now: float, thumbnail: FrameThumbnail) -> None:
        """Note that the frame with this thumbnail, which was due, has become a key frame."""
        self._last_key, self._key, self._pending = now, thumbnail, None

    def _due(self, now: float, thumbnail: FrameThumbnail, in_flight: int, interval: float) -> Reason | None:
        if in_flight >= self.max_in_flight:
            return None
        if self._key is None or self._last_key is None:
            return "first"
        waited = now - self._last_key
        if waited < (self.cut_interval if self._pending == "cut" else self.min_interval * self.stretch):
            return None
        if self._pending is None and waited < interval:
            return self._uncovered(self._key, thumbnail, in_flight)
        return self._pending or "interval"

    def _uncovered(self, key: FrameThumbnail, thumbnail: FrameThumbnail, in_flight: int) -> Reason | None:
        """Return "uncovered" if too many pixels lie in uncovered cells, unless an answer in flight may cover them."""
        return "uncovered" if not in_flight and uncovered_fraction(key, thumbnail) > UNCOVERED_FRACTION else None
