"""Publishes the metrics of roles without a port through Redis: counters in a shared hash, gauges in expiring keys."""

import json
import logging
import math
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Self, cast

import redis
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import RoleReport
from pipeline.monitoring.metrics import (
    MEASURED,
    AggregatorMetrics,
    LearningMetrics,
    SupervisorMetrics,
    TrainerMetrics,
    WorkerMetrics,
)
from pipeline.monitoring.task_owner import keep_thread_running
from pipeline.queues import counters

logger = logging.getLogger(__name__)

TELL_S = 1.0
LABEL = re.compile("[a-z_]{1,32}")
#: The only sample with a label whose values are not known beforehand.
MODEL = re.compile(r'mvs_model_info\{"version": "([0-9a-zA-Z]{1,12})"\}')
#: Two models are in use while a global spreads, and a third by an edge that is far behind.
MOST_MODELS = 8
#: How large the set of processes' names may be, which is enough for 150 of them, and one report.
MAX_ROLES_BYTES, MAX_REPORT_BYTES = 32 << 10, 40 << 10
#: The types of families whose samples only grow. Each process adds what it counted since its last push.
GROWING = ("counter", "histogram", "summary")


class Reporter:
    """Pushes the metrics of one process of a role. `start` begins a thread that does so each second."""

    def __init__(self, connection: redis.Redis, role: str, registry: CollectorRegistry) -> None:
        self._redis, self._role, self._registry = connection, role, registry
        self._name = f"{role}.{uuid.uuid4().hex}"
        self._pushed: dict[str, float] = {}

    def start(self) -> None:
        keep_thread_running("reporter", self._follow)

    def _follow(self) -> None:
        while True:
            try:
                self.push()
            except redis.RedisError as error:
                logger.info("Redis does not answer (%s), telling later", error)
            except Exception:  # the thread must go on, for without reports the role would look dead
                logger.exception("a report could not be made")
            time.sleep(TELL_S)

    def push(self) -> None:
        """Push all metrics now. Raises redis.RedisError; counts that were not pushed then are pushed the next time."""
        counted, gauges = values(self._registry)
        counters.increase(self._redis, {name: value - self._pushed.get(name, 0.0) for name, value in counted.items()})
        self._pushed |= counted  # a counter that was not finite is missing in `counted`, and keeps its last value
        report = RoleReport(self._role, json.dumps(gauges, allow_nan=False).encode())
        with self._redis.pipeline() as pipe:
            pipe.set(redis_keys.role(self._name), report.pack(), ex=redis_keys.ROLE_TTL_S)
            pipe.sadd(redis_keys.ROLES, self._name)
            pipe.expire(redis_keys.ROLES, redis_keys.ROLES_TTL_S)
            _, listed, _ = pipe.execute(raise_on_error=False)
        if isinstance(listed, redis.ResponseError):
            self._redis.delete(redis_keys.ROLES)  # it was not a set; all processes add themselves again within a second


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What one edge worker last pushed of itself; None is what a worker of an older version does not tell."""

    age_s: float | None
    memory_bytes: int
    model: str | None  # the version of the model that it answers with

    @classmethod
    def of(cls, gauges: Mapping[str, float]) -> Self | None:
        """Return what a process's gauges say, or None if it is no edge worker."""
        if not gauges.get('mvs_processes{"role": "stylize"}'):
            return None
        models = [found[1] for name in gauges if (found := MODEL.fullmatch(name))]
        memory_bytes = int(gauges.get('mvs_process_memory_bytes{"role": "stylize"}', 0))
        return cls(gauges.get('mvs_process_age_seconds{"role": "stylize"}'), memory_bytes, next(iter(models), None))


@dataclass(frozen=True, slots=True)
class PushedMetrics:
    """The metrics that all roles pushed, by sample: counters since Redis started, gauges summed over live processes."""

    counts: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    workers: Sequence[WorkerReport] = ()


def read(connection: redis.Redis) -> PushedMetrics:
    """Read what all roles pushed. Anything else in Redis is left out, at limited cost. Raises redis.RedisError."""
    found = [(name, _report(text)) for name, text in _reports(connection) if text]
    if refused := [name for name, report in found if report is None]:
        logger.warning("%d reports of roles could not be read", len(refused))
        connection.srem(redis_keys.ROLES, *refused)
        counters.count(connection, reports_refused=len(refused))
    gauges: dict[str, float] = defaultdict(float)
    workers = [worker for _, report in found if report and (worker := WorkerReport.of(report))]
    for values in (report for _, report in found if report):
        for name, value in values.items():
            if is_known(name, gauges):
                gauges[name] += value
    return PushedMetrics(counters.counts(connection, known_samples()), dict(gauges), workers)


def _reports(connection: redis.Redis) -> list[tuple[bytes, bytes]]:
    """Return the names and reports of live processes, within limits; names of processes that are gone are removed."""
    try:
        if (connection.memory_usage(redis_keys.ROLES, samples=0) or 0) > MAX_ROLES_BYTES:
            connection.delete(redis_keys.ROLES)  # all processes add themselves again within a second
        names = sorted(cast(set[bytes], connection.smembers(redis_keys.ROLES)))
    except redis.ResponseError:
        connection.delete(redis_keys.ROLES)
        return []
    with connection.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.getrange(redis_keys.role(name.decode(errors="replace")), 0, MAX_REPORT_BYTES)
        texts = pipe.execute(raise_on_error=False)
    found = [(name, text if isinstance(text, bytes) else b"?") for name, text in zip(names, texts)]
    if gone := [name for name, text in found if not text]:
        connection.srem(redis_keys.ROLES, *gone)
    return found


def _report(text: bytes) -> dict[str, float] | None:
    try:
        return RoleReport.unpack(text).values()
    except BadMessage:
        return None


#: The endings of the names of a family's samples, by its type; gauges have no ending.
ENDINGS = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
    "info": ("_info",),
}


def together(parts: Iterable[PushedMetrics]) -> PushedMetrics:
    """Return the sum of what several Redis servers hold, such as the edge's and the cloud's."""
    counted: dict[str, float] = defaultdict(float)
    gauges: dict[str, float] = defaultdict(float)
    workers: list[WorkerReport] = []
    for part in parts:
        workers += part.workers
        for total, own in ((counted, part.counts), (gauges, part.gauges)):
            for name, value in own.items():
                total[name] += value
    return PushedMetrics(dict(counted), dict(gauges), workers)


@cache
def known_families() -> dict[str, Metric]:
    """Return all families that roles may push, by name, with each sample at zero."""
    families: dict[str, Metric] = {}
    for role in (WorkerMetrics, TrainerMetrics, AggregatorMetrics, SupervisorMetrics, LearningMetrics):
        made = role()
        if isinstance(made, AggregatorMetrics):
            made.measured(0.0, 0.0)
        for family in made.registry.collect():
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            known.samples += [sample._replace(value=0.0) for sample in family.samples if family.type != "info"]
    return families


@cache
def known_samples() -> frozenset[str]:
    """Return the names of all samples that roles may push, except those with versions of models."""
    return frozenset(key(sample) for family in known_families().values() for sample in family.samples)


def is_known(name: str, beside: Collection[str]) -> bool:
    """Return whether a gauge is one of ours. Beside those in `beside`, only MOST_MODELS versions of models count."""
    if not MODEL.fullmatch(name):
        return name in known_samples()
    return name in beside or sum(map(bool, map(MODEL.fullmatch, beside))) < MOST_MODELS


class RoleCollector:
    """Shows in a gateway's /metrics what other roles pushed; samples that nobody pushed are zero, except for MEASURED.

    Only the families of pipeline.monitoring.metrics are shown, whatever else Redis contains.
    """

    def __init__(self) -> None:
        self.pushed = PushedMetrics()
        self._known = known_families()

    def collect(self) -> Iterator[Metric]:
        pushed = defaultdict(list)
        for name, value in chain(self.pushed.counts.items(), self.pushed.gauges.items()):
            if sample := parsed(name, value):
                pushed[sample.name].append(sample)
        for known in self._known.values():
            family = Metric(known.name, known.documentation, known.type)
            found = [s for ending in ENDINGS.get(known.type, ("",)) for s in pushed[known.name + ending]]
            zeros = () if known.name in MEASURED else known.samples
            family.samples = list({key(sample): sample for sample in (*zeros, *found)}.values())
            yield family


def values(registry: CollectorRegistry) -> tuple[dict[str, float], dict[str, float]]:
    """Return all counters and all gauges of a registry, by sample."""
    counted: dict[str, float] = {}
    gauges: dict[str, float] = {}
    for family in registry.collect():
        chosen = counted if family.type in GROWING else gauges
        chosen |= {key(sample): float(sample.value) for sample in family.samples if math.isfinite(sample.value)}
    return counted, gauges


def key(sample: Sample) -> str:
    """Return the name of a sample: `name`, or `name{"label": "value"}`."""
    return sample.name + (json.dumps(sample.labels, sort_keys=True) if sample.labels else "")


def parsed(text: str, value: float) -> Sample | None:
    """Parse a name that `key` returned; return None for any other text."""
    name, brace, labels = text.partition("{")
    try:
        found = json.loads(brace + labels) if brace else {}
    except (ValueError, RecursionError):
        return None
    sound = all(isinstance(v, str) and LABEL.fullmatch(k) for k, v in found.items())
    return Sample(name, found, value) if sound else None
