"""Key frames that the gateway chose, and how late their answers come. There is no clock and no I/O in here.

The twin of `open_loop` for a test in which the gateway decides when looks are renewed.
"""

from dataclasses import dataclass, field

from clients.load.open_loop import PATIENCE_S


@dataclass(slots=True)
class AnnouncedKeyFrames:
    """The key frames of one client that were announced and have no answer yet, by the time at which they were captured.

    A key frame that is never answered is lost, for whatever reason.
    """

    _captured_s: set[float] = field(default_factory=set)
    _newest_answered_s: float = float("-inf")

    def due(self, captured_s: float) -> None:
        """Note that the frame of this time was announced, unless its answer, or a newer one, has come already."""
        if captured_s > self._newest_answered_s:
            self._captured_s.add(captured_s)

    def answered(self, captured_s: float, now_s: float) -> list[float]:
        """Take an answer to the frame of this time. Returns its latency in seconds, unless it was given up."""
        self._newest_answered_s = max(self._newest_answered_s, captured_s)
        in_time = now_s - captured_s <= PATIENCE_S
        return [now_s - captured_s] if in_time and self._take(captured_s) else []

    def drop(self, captured_s: float) -> int:
        """Give up the frame of this time, which the gateway will not answer; returns how many were given up, 0 or 1."""
        return int(self._take(captured_s))

    def expire(self, now_s: float) -> int:
        """Give up the frames that are more than PATIENCE_S old; returns their number."""
        late = {captured_s for captured_s in self._captured_s if now_s - captured_s > PATIENCE_S}
        self._captured_s -= late
        return len(late)

    def abandon(self) -> int:
        """Give up all frames; returns their number."""
        return self.expire(float("inf"))

    def _take(self, captured_s: float) -> bool:
        was_waiting = captured_s in self._captured_s
        self._captured_s.discard(captured_s)
        return was_waiting
