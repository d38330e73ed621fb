"""How a role without a port publishes its metrics: counters in one shared hash, gauges for as long as it lives."""

import json
import logging
import math
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import cast

import redis
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import RoleReport
from pipeline.monitoring.metrics import (
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
#: The one sample whose label is not known beforehand.
MODEL = re.compile(r'mvs_model_info\{"version": "[0-9a-zA-Z]{1,12}"\}')
#: While a global spreads there are two; an edge that is far behind has a third.
MOST_MODELS = 8
#: A hundred and fifty processes' names, and what a report may have.
MAX_ROLES_BYTES, MAX_REPORT_BYTES = 32 << 10, 40 << 10
#: Families whose samples only grow: every process adds what it counted since it last pushed.
GROWING = ("counter", "histogram", "summary")


class Reporter:
    """One process of a role. `start` has a thread tell all there is to tell, every second, until the process ends."""

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
            except Exception:  # operators lack a second; a thread that ends would look like a role that is gone
                logger.exception("a report could not be made")
            time.sleep(TELL_S)

    def push(self) -> None:
        """Raises redis.RedisError; what was not told then is told the next time, and what was is not told again."""
        counted, gauges = values(self._registry)
        counters.increase(self._redis, {name: value - self._pushed.get(name, 0.0) for name, value in counted.items()})
        self._pushed |= counted  # one that was no number meanwhile is not counted again
        report = RoleReport(self._role, json.dumps(gauges, allow_nan=False).encode())
        with self._redis.pipeline() as pipe:
            pipe.set(redis_keys.role(self._name), report.pack(), ex=redis_keys.ROLE_TTL_S)
            pipe.sadd(redis_keys.ROLES, self._name)
            pipe.expire(redis_keys.ROLES, redis_keys.ROLES_TTL_S)
            _, listed, _ = pipe.execute(raise_on_error=False)
        if isinstance(listed, redis.ResponseError):
            self._redis.delete(redis_keys.ROLES)  # no set any more: everybody is in it again within a second


@dataclass(frozen=True, slots=True)
class PushedMetrics:
    """What all roles together pushed, by sample: counters since Redis began, gauges summed over live processes."""

    counts: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)


def read(connection: redis.Redis) -> PushedMetrics:
    """Raises redis.RedisError. What is none of ours is left out, and costs no more than what is."""
    found = [(name, _report(text)) for name, text in _reports(connection) if text]
    if refused := [name for name, report in found if report is None]:
        logger.warning("%d reports of roles could not be read", len(refused))
        connection.srem(redis_keys.ROLES, *refused)
        counters.count(connection, reports_refused=len(refused))
    gauges: dict[str, float] = defaultdict(float)
    for values in (report for _, report in found if report):
        for name, value in values.items():
            if is_known(name, gauges):
                gauges[name] += value
    return PushedMetrics(counters.counts(connection, known_samples()), dict(gauges))


def _reports(connection: redis.Redis) -> list[tuple[bytes, bytes]]:
    """Names and reports of live roles, at most so many and so long; names that are gone leave the set."""
    try:
        if (connection.memory_usage(redis_keys.ROLES, samples=0) or 0) > MAX_ROLES_BYTES:
            connection.delete(redis_keys.ROLES)  # everybody is in it again within a second
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


#: Endings of a family's samples, by its type; gauges have none.
ENDINGS = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
    "info": ("_info",),
}


def together(parts: Iterable[PushedMetrics]) -> PushedMetrics:
    """What the Redis of an edge and that of the cloud hold, as one."""
    counted: dict[str, float] = defaultdict(float)
    gauges: dict[str, float] = defaultdict(float)
    for part in parts:
        for total, own in ((counted, part.counts), (gauges, part.gauges)):
            for name, value in own.items():
                total[name] += value
    return PushedMetrics(dict(counted), dict(gauges))


@cache
def known_families() -> dict[str, Metric]:
    """All that roles may tell, each sample at zero, by the family's name."""
    families: dict[str, Metric] = {}
    for role in (WorkerMetrics, TrainerMetrics, AggregatorMetrics, SupervisorMetrics, LearningMetrics):
        for family in role().registry.collect():
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            known.samples += [sample._replace(value=0.0) for sample in family.samples if family.type != "info"]
    return families


@cache
def known_samples() -> frozenset[str]:
    """Whatever labels roles have is here from the start, but for the versions of models."""
    return frozenset(key(sample) for family in known_families().values() for sample in family.samples)


def is_known(name: str, beside: Collection[str]) -> bool:
    """Whether a gauge is one of ours; of models there may be a few at a time."""
    if not MODEL.fullmatch(name):
        return name in known_samples()
    return name in beside or sum(map(bool, map(MODEL.fullmatch, beside))) < MOST_MODELS


class RoleCollector:
    """The collector by which a gateway's /metrics shows what other roles told; what nobody told is zero.

    Families and their types are those of pipeline.monitoring.metrics: whatever else is found in Redis is not shown.
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
            family.samples = list({key(sample): sample for sample in (*known.samples, *found)}.values())
            yield family


def values(registry: CollectorRegistry) -> tuple[dict[str, float], dict[str, float]]:
    """All counters, and all gauges, of a registry by sample."""
    counted: dict[str, float] = {}
    gauges: dict[str, float] = {}
    for family in registry.collect():
        chosen = counted if family.type in GROWING else gauges
        chosen |= {key(sample): float(sample.value) for sample in family.samples if math.isfinite(sample.value)}
    return counted, gauges


def key(sample: Sample) -> str:
    """`name`, or `name{"label": "value"}`."""
    return sample.name + (json.dumps(sample.labels, sort_keys=True) if sample.labels else "")


def parsed(text: str, value: float) -> Sample | None:
    """The inverse; None for what `key` did not write."""
    name, brace, labels = text.partition("{")
    try:
        found = json.loads(brace + labels) if brace else {}
    except (ValueError, RecursionError):
        return None
    sound = all(isinstance(v, str) and LABEL.fullmatch(k) for k, v in found.items())
    return Sample(name, found, value) if sound else None
