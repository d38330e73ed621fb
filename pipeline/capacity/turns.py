"""Whose key frame goes to the edge next: streams take turns, and no more are sent than the edge's workers keep up with.

A key frame that waits in Redis grows old there. So streams wait here instead, where a newer frame takes the place of an
older one at no cost. The number of key frames at the edge follows their wait in its queue, as TCP Vegas (Brakmo and
Peterson 1995) does it with packets: it works for any number of workers, and for several gateways at one edge.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

#: A place that was not given back for so long belongs to a worker that died or hangs; the answer may still come.
PLACE_S = 1.0
#: No gateway sends more key frames than this at once.
MOST_PLACES = 256
#: Waits and turns are averaged over this time, and over this many turns at most.
MEASURED_S, MEASURED_TURNS = 2.0, 1024


@dataclass(slots=True)
class EdgeWindow:
    """How many key frames may be at the edge at once: so many that one waits there as long as it is then worked on."""

    size: float = 2.0

    def answered(self, *, queued_s: float, worked_s: float, was_full: bool) -> None:
        """Learn from one answer: its key frame waited in Redis, and was then worked on for more than no time.

        `was_full`: whether all places were taken when it was sent. If not, a short wait says nothing.
        """
        step = 1 - queued_s / worked_s
        if step < 0 or was_full:
            self.size = min(MOST_PLACES, max(1.0, self.size + max(-2.0, step) / self.size))


@dataclass(slots=True)
class _Waiting:
    take: Callable[[float], None]
    since_s: float


@dataclass(slots=True)
class _Place:
    stream_id: str
    since_s: float
    was_full: bool


@dataclass(slots=True)
class KeyFrameTurns:
    """The streams of one gateway. No clock and no I/O: `now_s` comes from the caller.

    Of the streams that wait, the one is next whose last turn is longest ago: none has its second turn before all have
    had their first, and a stream that rarely asks is served at once.
    """

    window: EdgeWindow = field(default_factory=EdgeWindow)
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    _last_turn_s: dict[str, float] = field(default_factory=dict)
    _places: list[_Place] = field(default_factory=list)  # oldest first
    _turns: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MEASURED_TURNS))  # when, waited

    def join(self, stream_id: str, take: Callable[[float], None], now_s: float) -> None:
        """Wait for a turn; a stream that waits already keeps its place. `take(now_s)` is called when it comes."""
        if stream_id not in self._waiting:
            self._waiting[stream_id] = _Waiting(take, now_s)

    def leave(self, stream_id: str) -> None:
        """The stream is over."""
        self._waiting.pop(stream_id, None)
        self._last_turn_s.pop(stream_id, None)
        self._places = [place for place in self._places if place.stream_id != stream_id]

    def advance(self, now_s: float) -> None:
        """Give turns to those who are next, as long as there are places."""
        self._places = [place for place in self._places if now_s - place.since_s < PLACE_S]
        while self._waiting and len(self._places) < int(self.window.size):
            stream_id = min(self._waiting, key=lambda waiting: self._last_turn_s.get(waiting, float("-inf")))
            waiting = self._waiting.pop(stream_id)
            self._last_turn_s[stream_id] = now_s
            self._places.append(_Place(stream_id, now_s, was_full=len(self._places) + 1 >= int(self.window.size)))
            self._turns.append((now_s, now_s - waiting.since_s))
            waiting.take(now_s)

    def answered(self, stream_id: str, *, queued_s: float, worked_s: float) -> None:
        """The stream's oldest key frame was answered: its place is free. An error took no work, and teaches nothing."""
        was_full = self.give_back(stream_id)
        if worked_s > 0:
            self.window.answered(queued_s=queued_s, worked_s=worked_s, was_full=was_full)

    def give_back(self, stream_id: str) -> bool:
        """The stream's oldest key frame gives its place back. Returns whether all were taken when it was sent."""
        place = next((place for place in self._places if place.stream_id == stream_id), None)
        if place is None:
            return False
        self._places.remove(place)
        return place.was_full

    @property
    def waiting(self) -> int:
        """Streams that wait for a turn."""
        return len(self._waiting)

    def wait_s(self, now_s: float) -> float:
        """How long streams wait for a turn: the mean of the last turns, or of those who wait now if that is longer."""
        self._forget(now_s)
        past = [waited_s for _, waited_s in self._turns]
        present = [now_s - waiting.since_s for waiting in self._waiting.values()]
        return max((sum(waits) / len(waits) for waits in (past, present) if waits), default=0.0)

    def per_s(self, now_s: float) -> float:
        """Turns a second."""
        self._forget(now_s)
        return len(self._turns) / MEASURED_S

    def _forget(self, now_s: float) -> None:
        while self._turns and now_s - self._turns[0][0] > MEASURED_S:
            self._turns.popleft()
