"""Reads from a gateway's /metrics what a load test needs: counters, and histograms of seconds."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from pipeline.basics.quantiles import quantile

#: A sample's name and its labels, sorted.
Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class StageTimes:
    """How long one stage took. Percentiles are interpolated between the histogram's bounds."""

    name: str
    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Exposition:
    """The samples of one reading of /metrics, in Prometheus's exposition format."""

    samples: Mapping[Key, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        families = text_string_to_metric_families(text)
        return cls({(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples})

    def since(self, before: "Exposition") -> "Exposition":
        """What was counted since an earlier reading. This makes sense for counters and histograms only."""
        return Exposition({key: value - before.samples.get(key, 0.0) for key, value in self.samples.items()})

    def total(self, name: str) -> float:
        """A metric's sum over all its labels; NaN if there is no such metric."""
        values = [value for (sample, _), value in self.samples.items() if sample == name]
        return sum(values) if values else math.nan

    def stages(self) -> Iterator[StageTimes]:
        """The times of every histogram of seconds that counted anything."""
        buckets: dict[Key, dict[float, float]] = defaultdict(dict)
        for (name, labels), value in self.samples.items():
            if name.endswith("_seconds_bucket"):
                bound = float(dict(labels)["le"])
                rest = tuple(label for label in labels if label[0] != "le")
                buckets[name.removesuffix("_bucket"), rest][bound] = value
        for (name, labels), counts in buckets.items():
            if counts[math.inf]:
                yield _stage(name, labels, counts, self.samples[f"{name}_sum", labels])


def _stage(name: str, labels: tuple, counts: dict[float, float], total_s: float) -> StageTimes:
    title = " ".join([name.removeprefix("mvs_").removesuffix("_seconds").replace("_", " "), *(v for _, v in labels)])
    p50, p95, p99 = (round(1e3 * (quantile(counts, share) or 0.0), 1) for share in (0.5, 0.95, 0.99))
    return StageTimes(title, int(counts[math.inf]), round(1e3 * total_s / counts[math.inf], 1), p50, p95, p99)
