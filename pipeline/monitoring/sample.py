"""What a gateway and its surroundings are like at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.monitoring.metrics_push import PushedMetrics

#: A histogram's cumulative counts, by upper bound.
Buckets = Mapping[float, float]


@dataclass(frozen=True, slots=True)
class StreamSample:
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
class GlobalModel:
    """A global model: its version, what it was made of, and its loss."""

    version: int
    images: int
    loss_before: float
    loss_after: float


@dataclass(frozen=True, slots=True)
class RedisState:
    """What Redis knows; nothing where it does not answer."""

    #: Of pipeline.queues.redis_errors.REASONS, "" where it takes key frames.
    trouble: str = "away"
    ready: bool = False
    queue: int | None = None
    pushed: PushedMetrics = field(default_factory=PushedMetrics)
    rounds: Sequence[GlobalModel] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What a busy service gives up."""

    #: The order of giving way, each step in a few words, and whether it is taken at present.
    steps: Sequence[tuple[str, bool]] = ()
    #: How often looks are renewed while the edge is busy; None when it is not.
    look_interval_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything at one moment; `frames`, `answers`, `stages`, `trips`, `lags`, `counts` and `cpu_s` only grow."""

    at_s: float
    redis_state: RedisState
    streams: Sequence[StreamSample]
    frames: float
    answers: float
    stages: Mapping[str, tuple[float, float]]  # seconds, and key frames
    trips: Buckets
    lags: Buckets
    cpu_s: float
    memory_bytes: int
    given: Given = field(default_factory=Given)
    #: The gateway's counters of what goes wrong, by sample; what other roles counted is in `redis_state`.
    counts: Mapping[str, float] = field(default_factory=dict)

    @property
    def oldest_s(self) -> float | None:
        return max((stream.age_s for stream in self.streams), default=None)
