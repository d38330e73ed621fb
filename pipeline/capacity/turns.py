"""Decides whose key frame goes to the edge next. Streams take turns, and the edge gets no more than it can handle.

A key frame that waits in Redis grows old there. Streams therefore wait here, where a newer frame replaces an older one
at no cost. The number of key frames at the edge is controlled by their wait in its queue, as TCP Vegas (Brakmo and
Peterson 1995) controls packets. This works for any number of workers, and for several gateways with one edge.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

#: A place that is not given back for this long is freed: its worker has died or hangs, although it may still answer.
PLACE_S = 1.0
#: No gateway has more key frames than this at the edge.
MOST_PLACES = 256
#: Waits and turns are averaged over this time, and over at most this many turns.
MEASURED_S, MEASURED_TURNS = 2.0, 1024
#: Answers whose waits in the queue are compared.
LAST_ANSWERS = 64


@dataclass(slots=True)
class EdgeWindow:
    """How many key frames may be at the edge at once. A key frame should wait there for as long as its work takes."""

    size: float = 2.0
    #: The waits of the last answers. The shortest is the way itself: on a busy machine even an idle worker wakes late.
    _queued_s: deque[float] = field(default_factory=lambda: deque(maxlen=LAST_ANSWERS))

    def answered(self, *, queued_s: float, worked_s: float, was_full: bool) -> None:
        """Adapt the size to one answer, given how long its key frame waited in Redis, and how long the work took.

        `worked_s` must be above 0. `was_full` says whether all places were taken when it was sent. If not, a short wait
        means nothing.
        """
        self._queued_s.append(queued_s)
        step = 1 - (queued_s - min(worked_s, *self._queued_s)) / worked_s
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
    """The turns of one gateway's streams. It has no clock and does no I/O: `now_s` comes from the caller.

    The next turn goes to the waiting stream whose last turn is the longest ago. So no stream has a second turn before
    all others have had their first, and a stream that rarely asks is served soon.
    """

    window: EdgeWindow = field(default_factory=EdgeWindow)
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    _last_turn_s: dict[str, float] = field(default_factory=dict)
    _places: list[_Place] = field(default_factory=list)  # oldest first
    #: When each of the last turns was, and how long its stream had waited.
    _turns: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MEASURED_TURNS))

    def join(self, stream_id: str, take: Callable[[float], None], now_s: float) -> None:
        """Have a stream wait for a turn, when `take(now_s)` is called. A stream that waits already keeps its place."""
        if stream_id not in self._waiting:
            self._waiting[stream_id] = _Waiting(take, now_s)

    def leave(self, stream_id: str) -> None:
        """Forget a stream, which has ended, and free its places."""
        self._waiting.pop(stream_id, None)
        self._last_turn_s.pop(stream_id, None)
        self._places = [place for place in self._places if place.stream_id != stream_id]

    def advance(self, now_s: float) -> None:
        """Give turns to waiting streams as long as there are free places."""
        self._places = [place for place in self._places if now_s - place.since_s < PLACE_S]
        while self._waiting and len(self._places) < int(self.window.size):
            stream_id = min(self._waiting, key=lambda waiting: self._last_turn_s.get(waiting, float("-inf")))
            waiting = self._waiting.pop(stream_id)
            self._last_turn_s[stream_id] = now_s
            self._places.append(_Place(stream_id, now_s, was_full=len(self._places) + 1 >= int(self.window.size)))
            self._turns.append((now_s, now_s - waiting.since_s))
            waiting.take(now_s)

    def answered(self, stream_id: str, *, queued_s: float, worked_s: float) -> None:
        """Free the place of a stream's oldest key frame, which was answered, and adapt the window.

        An answer with an error took no work, so the window does not change.
        """
        was_full = self.give_back(stream_id)
        if worked_s > 0:
            self.window.answered(queued_s=queued_s, worked_s=worked_s, was_full=was_full)

    def give_back(self, stream_id: str) -> bool:
        """Free the place of a stream's oldest key frame; return whether all places were taken when it was sent."""
        place = next((place for place in self._places if place.stream_id == stream_id), None)
        if place is None:
            return False
        self._places.remove(place)
        return place.was_full

    @property
    def waiting(self) -> int:
        """How many streams wait for a turn."""
        return len(self._waiting)

    def wait_s(self, now_s: float) -> float:
        """Return how long streams wait for a turn: the mean of the last turns, or of the present waits if longer."""
        self._forget(now_s)
        past = [waited_s for _, waited_s in self._turns]
        present = [now_s - waiting.since_s for waiting in self._waiting.values()]
        return max((sum(waits) / len(waits) for waits in (past, present) if waits), default=0.0)

    def per_s(self, now_s: float) -> float:
        """Return how many turns there are in a second."""
        self._forget(now_s)
        return len(self._turns) / MEASURED_S

    def _forget(self, now_s: float) -> None:
        while self._turns and now_s - self._turns[0][0] > MEASURED_S:
            self._turns.popleft()
