"""When looks are due, and when they came: the open-loop account of one client. No clock and no I/O."""

from collections import deque
from dataclasses import dataclass, field

#: A look that is later than this is lost: it would show a scene of two seconds ago.
PATIENCE_S = 2.0


@dataclass(slots=True)
class OpenLoopSchedule:
    """Looks are due at times that nobody can put off: neither a slow answer nor a slow sender moves the next one.

    An answer serves every look that is due and that it is new enough for. So a key frame that is never picked, or
    picked late, counts as a late look; and a fast answer to an older frame does not count at all.
    """

    _due_s: deque[float] = field(default_factory=deque)

    def due(self, at_s: float) -> None:
        """A look is due of what the camera sees at `at_s`; times do not go back."""
        self._due_s.append(at_s)

    def answered(self, captured_s: float, now_s: float) -> list[float]:
        """The latencies, in seconds from due time, of the looks that an answer of a frame of `captured_s` serves."""
        self.expire(now_s)
        served = []
        while self._due_s and self._due_s[0] <= captured_s:
            served.append(now_s - self._due_s.popleft())
        return served

    def expire(self, now_s: float) -> int:
        """Give up looks that are PATIENCE_S late; returns how many."""
        given_up = 0
        while self._due_s and now_s - self._due_s[0] > PATIENCE_S:
            self._due_s.popleft()
            given_up += 1
        return given_up

    def abandon(self) -> int:
        """Give up all that is due; returns how many."""
        return self.expire(float("inf"))
