"""Which frames become key frames: a pure decision, no clock and no I/O."""
from dataclasses import dataclass
from typing import Literal

import numpy as np

Reason = Literal["first", "cut", "style", "asked", "interval"]

HISTOGRAM_BINS = 32
#: Half the L1 distance of two luma histograms, 0..1.
CUT_DISTANCE = 0.35


def luma_histogram(luma: np.ndarray) -> np.ndarray:
    """Shares of HISTOGRAM_BINS luma ranges, summing to 1, from every 4th pixel of every 4th row of uint8 [H, W]."""
    sample = luma[::4, ::4]
    return np.bincount((sample >> 3).ravel(), minlength=HISTOGRAM_BINS) / sample.size


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two consecutive frames' histograms belong to different scenes."""
    return float(np.abs(before - after).sum()) / 2 > CUT_DISTANCE


@dataclass(slots=True)
class KeyFrameSelector:
    """Decides frame by frame for one stream. Backlog stretches the interval: that is the whole back-pressure."""

    max_interval_s: float = 0.5
    #: Cuts and requests come sooner than the interval, but never faster than this.
    min_interval_s: float = 0.125
    max_in_flight: int = 2
    _last_key_s: float | None = None
    _previous: np.ndarray | None = None
    #: What waits for the rate cap or a free slot; the newest frame then gets it.
    _pending: Reason | None = None

    def ask(self, reason: Literal["style", "asked"]) -> None:
        """The next frame that may be a key frame shall be one."""
        self._pending = self._pending or reason

    def decide(self, *, now_s: float, histogram: np.ndarray, in_flight: int) -> Reason | None:
        """Why this frame is a key frame, or None. Call once a frame; `in_flight` counts unanswered key frames."""
        if self._previous is not None and is_cut(self._previous, histogram):
            self._pending = "cut"
        self._previous = histogram
        reason = self._due(now_s)
        if reason is None or in_flight >= self.max_in_flight:
            return None
        self._last_key_s, self._pending = now_s, None
        return reason

    def _due(self, now_s: float) -> Reason | None:
        if self._last_key_s is None:
            return "first"
        waited_s = now_s - self._last_key_s
        if waited_s < self.min_interval_s:
            return None
        return self._pending or ("interval" if waited_s >= self.max_interval_s else None)
