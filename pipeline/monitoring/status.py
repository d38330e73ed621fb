"""What operators see of a gateway: its last minutes, its streams, and what is wrong. No I/O and no clock."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.monitoring.metrics import STAGES
from pipeline.monitoring.metrics_push import Told

#: A tick a second, five minutes of them: 40 KB with twenty streams.
TICK_S = 1.0
TICKS = 300
#: Rates are of the last seconds; stages and percentiles of the last minute, which holds a hundred key frames a stream.
RATE_TICKS = 5
MINUTE_TICKS = 60
#: A look is four times as old as key frames come apart: something holds them up.
OLD_LOOK_S = 2.5
#: More key frames than this in the queue are half a second of one worker.
LONG_QUEUE = 12
SLOW_LOOP_S = 0.05

#: A histogram's cumulative counts, by upper bound.
Buckets = Mapping[float, float]
ROLES = ("gateway", "stylize", "train", "aggregate")


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream at one moment; counters are since its beginning."""

    number: int
    style: str
    size: tuple[int, int]
    frames: int
    key_frames: int
    answers: int
    in_flight: int
    drops: dict[str, int]
    age_s: float  # of the key frame on show; before the first, of the stream


@dataclass(frozen=True, slots=True)
class Round:
    """A global model: its version, what it was made of, and its loss."""

    version: int
    images: int
    loss_before: float
    loss_after: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What Redis knows; nothing where it does not answer."""

    answers: bool = False
    ready: bool = False
    queue: int | None = None
    told: Told = field(default_factory=Told)
    rounds: Sequence[Round] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """Everything at one moment; `frames`, `answers`, `stages`, `trips`, `lags` and `cpu_s` only grow."""

    at_s: float
    reading: Reading
    streams: Sequence[Stream]
    frames: float
    answers: float
    stages: Mapping[str, tuple[float, float]]  # seconds, and key frames
    trips: Buckets
    lags: Buckets
    cpu_s: float
    memory_bytes: int

    @property
    def oldest_s(self) -> float | None:
        return max((stream.age_s for stream in self.streams), default=None)


class Board:
    """The ticks of the last minutes."""

    def __init__(self) -> None:
        self._ticks: deque[Tick] = deque(maxlen=TICKS + 1)

    def add(self, tick: Tick) -> None:
        self._ticks.append(tick)

    def state(self) -> dict:
        """As JSON for the page; {} before the first tick."""
        if not self._ticks:
            return {}
        now, then, minute = self._ticks[-1], self._before(RATE_TICKS), self._before(MINUTE_TICKS)
        lag_s = quantile(grown(now.lags, minute.lags), 0.99)
        return finite(
            {
                "alerts": alerts(now, lag_s),
                "figures": self._figures(now, then, minute, lag_s),
                "stages_ms": stages_ms(now, minute),
                "history": self._history(),
                "streams": [self._stream(stream) for stream in now.streams],
                "roles": [role(name, now, then) for name in ROLES],
                "models": models(now.reading.told),
                "rounds": [rounded(r) for r in now.reading.rounds],
            }
        )

    def _before(self, ticks: int) -> Tick:
        return self._ticks[max(0, len(self._ticks) - 1 - ticks)]

    def _figures(self, now: Tick, then: Tick, minute: Tick, lag_s: float | None) -> dict:
        trips = grown(now.trips, minute.trips)
        return {
            "streams": len(now.streams),
            "fps": rate(now.frames - then.frames, now, then),
            "key_frames_per_s": rate(now.answers - then.answers, now, then),
            "queue": now.reading.queue,
            "oldest_s": to_digits(now.oldest_s),
            "round_trip_p50_ms": to_ms(quantile(trips, 0.5)),
            "round_trip_p95_ms": to_ms(quantile(trips, 0.95)),
            "loop_lag_p99_ms": to_ms(lag_s),
        }

    def _history(self) -> dict:
        ticks = list(self._ticks)
        return {
            "step_s": TICK_S,
            "queue": [tick.reading.queue for tick in ticks[1:]],
            "key_frames_per_s": [rate(b.answers - a.answers, b, a) for a, b in zip(ticks, ticks[1:])],
            "oldest_s": [to_digits(tick.oldest_s) for tick in ticks[1:]],
        }

    def _stream(self, stream: Stream) -> dict:
        """Its frames a second since the oldest of the last ticks that knew it."""
        now = self._ticks[-1]
        fps = 0.0
        for then in list(self._ticks)[-1 - RATE_TICKS : -1]:
            if earlier := next((s for s in then.streams if s.number == stream.number), None):
                fps = rate(stream.frames - earlier.frames, now, then)
                break
        return {
            "number": stream.number,
            "style": stream.style,
            "size": list(stream.size),
            "fps": fps,
            "age_s": to_digits(stream.age_s),
            "key_frames": stream.key_frames,
            "answers": stream.answers,
            "in_flight": stream.in_flight,
            "drops": stream.drops,
        }


def finite(value: object) -> object:
    """The same, and null for each number that JSON does not know."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def alerts(now: Tick, lag_s: float | None) -> list[str]:
    """One sentence each, the worst first; none where all is well."""
    reading, waiting = now.reading, [stream for stream in now.streams if stream.age_s > OLD_LOOK_S]
    found = {
        "Redis does not answer: looks stay as they are.": not reading.answers,
        "No edge worker is warm: no look is renewed.": reading.answers and not reading.ready,
        f"{reading.queue} key frames wait in the queue: the workers do not keep up.": (reading.queue or 0) > LONG_QUEUE,
        f"{streams_wait(len(waiting))} for more than {OLD_LOOK_S:g} s for a look.": bool(waiting),
        f"The gateway is short of processor: its timers are {to_ms(lag_s or 0):g} ms late.": (lag_s or 0) > SLOW_LOOP_S,
    }
    return [sentence for sentence, holds in found.items() if holds]


def streams_wait(number: int) -> str:
    return "One stream waits" if number == 1 else f"{number} streams wait"


def stages_ms(now: Tick, then: Tick) -> dict[str, float]:
    """Mean milliseconds of a key frame's stages in between; {} where there was none."""
    means = {}
    for stage in STAGES:
        seconds, count = (a - b for a, b in zip(now.stages[stage], then.stages[stage], strict=True))
        if count > 0:
            means[stage] = round(1000 * seconds / count, 1)
    return means


def role(name: str, now: Tick, then: Tick) -> dict:
    """How many processes of a role live, what they take, and what they do."""
    if name == "gateway":
        return {
            "role": name,
            "processes": 1,
            "cpu": rate(now.cpu_s - then.cpu_s, now, then),
            "memory_bytes": now.memory_bytes,
            "details": {},
        }
    gauges, label = now.reading.told.gauges, f'{{"role": "{name}"}}'
    return {
        "role": name,
        "processes": int(gauges.get(f"mvs_processes{label}", 0)),
        "cpu": grown_rate(f"mvs_process_cpu_seconds_total{label}", now, then),
        "memory_bytes": int(gauges.get(f"mvs_process_memory_bytes{label}", 0)),
        "details": details(name, now, then),
    }


def details(name: str, now: Tick, then: Tick) -> dict[str, float]:
    gauges, counts = now.reading.told.gauges, now.reading.told.counts
    if name == "stylize":
        workers = max(1.0, gauges.get('mvs_processes{"role": "stylize"}', 0))
        return {
            "key_frames_per_s": grown_rate('mvs_edge_key_frames_total{"outcome": "answered"}', now, then),
            "busy": min(1.0, grown_rate("mvs_edge_busy_seconds_total", now, then) / workers),
        }
    if name == "train":
        return {"samples": gauges.get("mvs_training_samples", 0), "images": counts.get("mvs_training_images_total", 0)}
    return {
        "round": gauges.get("mvs_round", 0),
        "updates": gauges.get("mvs_round_updates", 0),
        "refused": counts.get("mvs_rounds_refused_total", 0),
    }


def models(told: Told) -> dict[str, int]:
    """Versions in use, and how many workers have each."""
    begin, end = 'mvs_model_info{"version": "', '"}'
    found = {name: value for name, value in told.gauges.items() if name.startswith(begin)}
    return {name.removeprefix(begin).removesuffix(end): int(value) for name, value in found.items()}


def rounded(of: Round) -> dict:
    return {
        "version": of.version,
        "images": of.images,
        "loss_before": round(of.loss_before, 5),
        "loss_after": round(of.loss_after, 5),
    }


def grown(now: Buckets, then: Buckets) -> Buckets:
    return {bound: count - then.get(bound, 0) for bound, count in now.items()}


def quantile(buckets: Buckets, share: float) -> float | None:
    """Linear within a bucket, as Prometheus does it; the last finite bound where it is beyond; None of nothing."""
    wanted, lower, below = share * max(buckets.values(), default=0), 0.0, 0.0
    if not wanted:
        return None
    for bound, count in sorted(buckets.items()):
        if count >= wanted:
            return lower if math.isinf(bound) else lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    raise AssertionError("the last bucket holds all")


def grown_rate(counter: str, now: Tick, then: Tick) -> float:
    """A counter's growth a second; a Redis that began anew in between says nothing."""
    grown_by = now.reading.told.counts.get(counter, 0) - then.reading.told.counts.get(counter, 0)
    return rate(max(0.0, grown_by), now, then)


def rate(grown_by: float, now: Tick, then: Tick) -> float:
    return round(grown_by / (now.at_s - then.at_s), 3) if now.at_s > then.at_s else 0.0


def to_ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)


def to_digits(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
