"""How a role without a port tells what it measures: counters into one shared hash, gauges for as long as it lives."""
import json
import logging
import re
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import redis
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from pipeline import counts, topology
from pipeline.errors import BadMessage
from pipeline.messages import RoleReport
from pipeline.metrics import AggregatorMetrics, LearningMetrics, TrainerMetrics, WorkerMetrics

logger = logging.getLogger(__name__)

TELL_S = 1.0
LABEL = re.compile("[a-z_]{1,32}")
#: Families whose samples only grow: every process adds what it counted since it last told.
GROWING = ("counter", "histogram", "summary")


class Reporter:
    """One process of a role. `start` has a thread tell all there is to tell, every second, until the process ends."""

    def __init__(self, connection: redis.Redis, role: str, registry: CollectorRegistry) -> None:
        self._redis, self._role, self._registry = connection, role, registry
        self._name = f"{role}.{uuid.uuid4().hex}"
        self._told: dict[str, float] = {}

    def start(self) -> None:
        threading.Thread(target=self._follow, name="reporter", daemon=True).start()

    def _follow(self) -> None:
        while True:
            try:
                self.tell()
            except redis.RedisError as error:
                logger.info("Redis does not answer (%s), telling later", error)
            time.sleep(TELL_S)

    def tell(self) -> None:
        """One round trip, all or nothing. Raises redis.RedisError; what was not told then is told the next time."""
        counted, gauges = values(self._registry)
        with self._redis.pipeline() as pipe:
            counts.add(pipe, {name: value - self._told.get(name, 0.0) for name, value in counted.items()})
            report = RoleReport(self._role, json.dumps(gauges).encode())
            pipe.set(topology.role(self._name), report.pack(), ex=topology.ROLE_TTL_S)
            pipe.sadd(topology.ROLES, self._name)
            pipe.expire(topology.ROLES, topology.ROLES_TTL_S)
            pipe.execute()
        self._told = counted


@dataclass(frozen=True, slots=True)
class Told:
    """What all roles together told, by sample: counters since Redis began, gauges summed over live processes."""

    counts: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)


def read(connection: redis.Redis) -> Told:
    """Raises redis.RedisError. A report that is none of ours is left out."""
    names = sorted(connection.smembers(topology.ROLES))
    reports = connection.mget([topology.role(name.decode()) for name in names]) if names else []
    if gone := [name for name, report in zip(names, reports) if report is None]:
        connection.srem(topology.ROLES, *gone)
    gauges: dict[str, float] = defaultdict(float)
    for report in filter(None, reports):
        try:
            for name, value in RoleReport.unpack(report).values().items():
                gauges[name] += value
        except BadMessage as error:
            logger.info("a role's report was refused: %s", error)
    return Told(counts.counts(connection), dict(gauges))


#: Endings of a family's samples, by its type; gauges have none.
ENDINGS = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
    "info": ("_info",),
}


def together(parts: Iterable[Told]) -> Told:
    """What the Redis of an edge and that of the cloud hold, as one."""
    counted, gauges = defaultdict(float), defaultdict(float)
    for part in parts:
        for total, own in ((counted, part.counts), (gauges, part.gauges)):
            for name, value in own.items():
                total[name] += value
    return Told(dict(counted), dict(gauges))


class Roles:
    """The collector by which a gateway's /metrics shows what other roles told; what nobody told is zero.

    Families and their types are those of pipeline.metrics: whatever else is found in Redis is not shown.
    """

    def __init__(self) -> None:
        self.told = Told()
        self._known: dict[str, Metric] = {}
        for role in (WorkerMetrics, TrainerMetrics, AggregatorMetrics, LearningMetrics):
            for family in role().registry.collect():
                known = self._known.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                known.samples += [sample._replace(value=0.0) for sample in family.samples if family.type != "info"]

    def collect(self) -> Iterator[Metric]:
        told = defaultdict(list)
        for name, value in chain(self.told.counts.items(), self.told.gauges.items()):
            if sample := parsed(name, value):
                told[sample.name].append(sample)
        for known in self._known.values():
            family = Metric(known.name, known.documentation, known.type)
            found = [s for ending in ENDINGS.get(known.type, ("",)) for s in told[known.name + ending]]
            family.samples = list({key(sample): sample for sample in (*known.samples, *found)}.values())
            yield family


def values(registry: CollectorRegistry) -> tuple[dict[str, float], dict[str, float]]:
    """All counters, and all gauges, of a registry by sample."""
    counted, gauges = {}, {}
    for family in registry.collect():
        chosen = counted if family.type in GROWING else gauges
        chosen |= {key(sample): float(sample.value) for sample in family.samples}
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
