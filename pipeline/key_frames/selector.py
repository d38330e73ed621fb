"""Decides which frames become key frames. The decision is pure: it has no clock and does no I/O."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from pipeline.key_frames.change import WORTH, lead_s, mean_colours, remembered, worth
from pipeline.key_frames.thumbnail import FrameThumbnail, is_cut

Reason = Literal["first", "cut", "style", "asked", "interval", "change"]

#: Frames a second that a file is taken to have: how long a scene takes is known no better where frames are counted.
FILE_RATE = 30


@dataclass(slots=True)
class KeyFrameSelector:
    """Decides for each frame of one stream whether it should become a key frame.

    Between the shortest and the longest interval the picture decides: a key frame is due as soon as it is worth it (see
    `worth`). Intervals have the unit of `now`: seconds for a live stream and frames for a file.
    """

    max_interval: float = 4.0
    #: The shortest time between key frames, except after a cut.
    min_interval: float = 0.125
    #: The shortest time from a key frame to that of a cut: less than two frames at 30 frames a second.
    cut_interval: float = 0.05
    #: Frames that are further apart in time may differ as much as two scenes, so that only their sender can tell a cut.
    #: In nine clips without one, no pair of frames this far apart looks like a cut; of pairs 0.2 s apart, 0.3 % do.
    cut_gap: float = 0.15
    #: The longest interval after a key frame that got no answer: what is on show has waited for it already.
    retry_interval: float = 0.5
    #: What a key frame must be worth. Infinity leaves the choice to the intervals.
    least_worth: float = WORTH
    max_in_flight: int = 2
    #: How much `now` advances in a second.
    second: float = 1.0
    #: The factor by which a key frame must be worth more, and by which the shortest interval is longer, while the
    #: service is busy; it is at least 1. The longest interval stays as it is.
    stretch: float = 1.0
    _last_key: float | None = None
    _previous: FrameThumbnail | None = None
    _previous_at: float = 0.0
    #: The scene's mean colours as the edge would remember them by now, and those in the last key frame's answer.
    _memory: np.ndarray | None = None
    _answer: np.ndarray | None = None
    #: The reason why the next frame becomes a key frame, as soon as the shortest interval and `max_in_flight` allow it.
    _pending: Reason | None = None
    _is_missed: bool = False

    @classmethod
    def for_file(cls, max_interval: int) -> Self:
        """Make a selector for the frames of a file: `now` counts frames, none is lost and none is in flight."""
        least = min(3, max_interval)
        return cls(max_interval, min_interval=least, cut_interval=1, cut_gap=1, second=FILE_RATE)

    def ask(self, reason: Literal["style", "asked", "cut"]) -> None:
        """Make the next possible frame a key frame, for this reason. A cut outweighs the other reasons."""
        self._pending = reason if reason == "cut" else self._pending or reason

    def miss(self) -> None:
        """Note that a key frame will have no answer: the next one does not wait for the longest interval."""
        self._is_missed = True

    def decide(self, *, now: float, thumbnail: FrameThumbnail, in_flight: int = 0) -> Reason | None:
        """Return why this frame is a key frame, or None. This is `due` followed by `take`, if a key frame is due."""
        reason = self.due(now=now, thumbnail=thumbnail, in_flight=in_flight)
        if reason is not None:
            self.take(now, thumbnail)
        return reason

    @property
    def is_asked(self) -> bool:
        """Whether the next possible frame becomes a key frame, for a reason other than its worth or its interval."""
        return self._pending is not None

    def due(
        self,
        *,
        now: float,
        thumbnail: FrameThumbnail,
        captured: float | None = None,
        in_flight: int = 0,
        is_asked_ahead: bool = False,
    ) -> Reason | None:
        """Return why this frame should become a key frame, or None. Call this once for each frame.

        `captured` is when the frame was taken, by a clock whose origin may differ from that of `now`: frames may come
        closer together than they were taken. `in_flight` counts unanswered key frames. `is_asked_ahead` says that a
        frame was asked for which has not come yet; the selector then waits for it up to twice the usual interval.
        """
        captured = now if captured is None else captured
        elapsed = max(0.0, captured - self._previous_at)
        if self._previous is not None and elapsed <= self.cut_gap and is_cut(self._previous, thumbnail):
            self._pending = "cut"
        self._memory = remembered(self._memory, mean_colours(thumbnail), elapsed / self.second)
        self._previous, self._previous_at = thumbnail, captured
        return self._due(now, self._memory, in_flight, self._longest_interval * (1 + is_asked_ahead))

    def take(self, now: float, thumbnail: FrameThumbnail) -> None:
        """Note that the frame with this thumbnail, which was due, has become a key frame."""
        colours = mean_colours(thumbnail)
        if self._last_key is None or self._pending in ("cut", "style"):  # the edge begins anew
            self._memory, self._last_key = colours, now
        elapsed_s = (now - self._last_key) / self.second
        self._answer = remembered(self._memory, colours, lead_s(elapsed_s))
        self._last_key, self._pending, self._is_missed = now, None, False

    @property
    def _longest_interval(self) -> float:
        return min(self.max_interval, self.retry_interval * self.second) if self._is_missed else self.max_interval

    def _due(self, now: float, memory: np.ndarray, in_flight: int, interval: float) -> Reason | None:
        if in_flight >= self.max_in_flight:
            return None
        if self._answer is None or self._last_key is None:
            return "first"
        waited = now - self._last_key
        if waited < (self.cut_interval if self._pending == "cut" else self.min_interval * self.stretch):
            return None
        if self._pending or waited >= interval:
            return self._pending or "interval"
        is_worth_it = worth(self._answer, memory, waited / self.second) >= self.least_worth * self.stretch
        return "change" if is_worth_it else None
