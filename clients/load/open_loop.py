"""When a client's looks are due, and how late they come. There is no clock and no I/O in here.

The test is open loop: due times are fixed in advance, so a slow system cannot flatter itself by being asked for less.
"""

from collections import deque
from dataclasses import dataclass, field

#: A look that is later than this counts as lost: it would belong to a scene of two seconds ago.
PATIENCE_S = 2.0


@dataclass(slots=True)
class OpenLoopSchedule:
    """The looks of one client that are due and have not come yet.

    Neither a slow answer nor a slow sender moves the next due time. An answer serves every due look whose moment its
    own frame is not older than. So a key frame that is picked late, or never, makes a late look, and a fast answer to
    an older frame does not count at all.
    """

    _due_s: deque[float] = field(default_factory=deque)

    def due(self, at_s: float) -> None:
        """Note that a look is due for what the camera sees at `at_s`. Times must not decrease."""
        self._due_s.append(at_s)

    def answered(self, captured_s: float, now_s: float) -> list[float]:
        """Take an answer to a frame of `captured_s`. Returns the latency, in seconds, of each look that it serves."""
        self.expire(now_s)
        served = []
        while self._due_s and self._due_s[0] <= captured_s:
            served.append(now_s - self._due_s.popleft())
        return served

    def expire(self, now_s: float) -> int:
        """Give up the looks that are more than PATIENCE_S late; returns their number."""
        given_up = 0
        while self._due_s and now_s - self._due_s[0] > PATIENCE_S:
            self._due_s.popleft()
            given_up += 1
        return given_up

    def abandon(self) -> int:
        """Give up all looks that are due; returns their number."""
        return self.expire(float("inf"))
