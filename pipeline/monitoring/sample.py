"""Dataclasses for the state of a gateway, its streams and Redis at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.monitoring.metrics_push import PushedMetrics

#: A histogram's cumulative counts, by upper bound.
Buckets = Mapping[float, float]


@dataclass(frozen=True, slots=True)
class StreamSample:
    """One stream at one moment; its counters started with it."""

    number: int
    style: str
    size: tuple[int, int]
    frames: int
    key_frames: int
    answers: int
    in_flight: int
    drops: dict[str, int]
    #: The age of the key frame whose look is shown; before the first one, of the stream. None during a pause.
    age_s: float | None


@dataclass(frozen=True, slots=True)
class GlobalModel:
    """A global model: its version, the number of images behind it, and the loss before and after its round."""

    version: int
    images: int
    loss_before: float
    loss_after: float


@dataclass(frozen=True, slots=True)
class RedisState:
    """What is known from Redis; the defaults hold if it does not answer."""

    #: A key of pipeline.queues.redis_errors.REASONS, or "" if Redis accepts key frames.
    trouble: str = "away"
    ready: bool = False
    queue: int | None = None
    pushed: PushedMetrics = field(default_factory=PushedMetrics)
    rounds: Sequence[GlobalModel] = ()


@dataclass(frozen=True, slots=True)
class Reductions:
    """The reductions of a busy service, for operators (see pipeline.capacity.giving_way)."""

    #: The steps of giving way, in order: a few words for each, and whether it is in effect.
    steps: Sequence[tuple[str, bool]] = ()
    #: The time between two renewals of a look while the edge is busy; None while it is not.
    look_interval_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything at one moment. `frames`, `answers`, `stages`, `trips`, `lags`, `counts` and `cpu_s` only grow."""

    at_s: float
    redis_state: RedisState
    streams: Sequence[StreamSample]
    frames: float
    answers: float
    stages: Mapping[str, tuple[float, float]]  # for each stage, the sum of seconds and the number of key frames
    trips: Buckets
    lags: Buckets
    cpu_s: float
    memory_bytes: int
    reductions: Reductions = field(default_factory=Reductions)
    #: The gateway's counters of errors, by sample. Those of other roles are in `redis_state`.
    counts: Mapping[str, float] = field(default_factory=dict)

    @property
    def oldest_s(self) -> float | None:
        return max((stream.age_s for stream in self.streams if stream.age_s is not None), default=None)
