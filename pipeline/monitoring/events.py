"""Finds what happened from one sample to the next, in words for operators. It keeps the last events. No clock, no I/O.

Nothing here names a stream by its id, a client by its address, or an operator by a token.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pipeline.monitoring.alerts import labelled, steps
from pipeline.monitoring.sample import RedisState, Sample

MOST_EVENTS = 20
#: An alert is over when it has not held for this long, so that one which comes and goes does not push out other events.
QUIET_S = 10.0
#: By role, what one process of it is called, and several.
PROCESSES = {
    "stylize": ("An edge worker", "edge workers"),
    "train": ("A trainer", "trainers"),
    "aggregate": ("An aggregator", "aggregators"),
}
#: Why sessions are cut, by counter.
CUTS = {
    labelled("mvs_sessions_cut_total", reason="flood"): "its peer sent too much",
    labelled("mvs_sessions_cut_total", reason="broken"): "its peer sent nonsense",
    labelled("mvs_sessions_cut_total", reason="pending"): "it had no video, and others needed its place",
    labelled("mvs_streams_refused_total", reason="size"): "its video was larger than it had said",
    labelled("mvs_streams_refused_total", reason="memory"): "its video took too much memory",
    labelled("mvs_streams_refused_total", reason="changes"): "the size of its video kept changing",
}


@dataclass(frozen=True, slots=True)
class Event:
    at_s: float  # on the clock of samples
    kind: str  # session, process, alert or over
    text: str


class Events:
    """The last events of a gateway. A session that begins and ends between two samples leaves no trace."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._before: Sample | None = None
        self._processes: dict[str, int] = {}
        self._alerts_s: dict[str, float] = {}  # when each present alert held last

    def record(self, now: Sample, alerts: Collection[str]) -> None:
        """Take a sample, and the names of the alerts that hold with it."""
        if self._before is not None:
            self._add(now, "session", sessions(self._before, now))
        if not now.redis_state.trouble:
            counted = processes(now.redis_state)
            self._add(now, "process", process_changes(self._processes, counted))
            self._processes = counted
        over = [name for name, at_s in self._alerts_s.items() if now.at_s - at_s >= QUIET_S and name not in alerts]
        self._add(now, "over", (f"Over: {name}." for name in over))
        self._add(now, "alert", (f"{name}." for name in alerts if name not in self._alerts_s))
        kept = {name: at_s for name, at_s in self._alerts_s.items() if name not in over}
        self._alerts_s = kept | dict.fromkeys(alerts, now.at_s)
        self._before = now

    def newest_first(self) -> list[Event]:
        return list(reversed(self._events))

    def _add(self, now: Sample, kind: str, texts: Iterator[str]) -> None:
        self._events.extend(Event(now.at_s, kind, text) for text in texts)


def sessions(before: Sample, now: Sample) -> Iterator[str]:
    """Describe which streams came and went, and which sessions were cut."""
    old, new = ({stream.number for stream in sample.streams} for sample in (before, now))
    yield from named(sorted(new - old), "opened")
    cut = steps((before.counts, now.counts), CUTS)
    for counter, why in CUTS.items():
        if count := int(cut.get(counter, 0)):
            yield f"A session was cut: {why}." if count == 1 else f"{count} sessions were cut: {why}."
    yield from named(sorted(old - new), "closed")


def named(numbers: list[int], happened: str) -> Iterator[str]:
    """Name up to two streams. A larger number is one event, so that a crowd does not push out all others."""
    if len(numbers) > 2:
        yield f"{len(numbers)} streams {happened}."
    else:
        yield from (f"Stream {number} {happened}." for number in numbers)


def processes(redis_state: RedisState) -> dict[str, int]:
    gauges = redis_state.pushed.gauges
    return {role: int(gauges.get(labelled("mvs_processes", role=role), 0)) for role in PROCESSES}


def process_changes(before: Mapping[str, int], now: Mapping[str, int]) -> Iterator[str]:
    for role, (one, several) in PROCESSES.items():
        change, left = now[role] - before.get(role, 0), now[role]
        what = one if abs(change) == 1 else f"{abs(change)} {several}"
        if change > 0:
            yield f"{what} came; {left} in all."
        elif change < 0:
            yield f"{what} {'is' if change == -1 else 'are'} gone; {left or 'none'} {'are' if left > 1 else 'is'} left."
