"""Computes what the operators' page shows of a gateway: its last minutes, streams and alerts. No I/O and no clock."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from pipeline.basics.coarse_series import CoarseSeries
from pipeline.basics.quantiles import quantile
from pipeline.monitoring.alerts import alerts, failures
from pipeline.monitoring.events import Events
from pipeline.monitoring.metrics import STAGES
from pipeline.monitoring.metrics_push import PushedMetrics, WorkerReport
from pipeline.monitoring.sample import Buckets, GlobalModel, Sample, StreamSample

#: A sample is taken each second and kept for five minutes; with twenty streams they take 40 KB.
SAMPLE_S = 1.0
SAMPLES = 300
#: Of the last hour, one value is kept for each 15 samples: 240 of each number, which take 20 KB.
HOUR_VALUES, HOUR_STEP = 240, 15
#: Rates cover the last seconds. Stages and percentiles cover the last minute, with a hundred key frames of each stream.
RATE_SAMPLES = 5
MINUTE_SAMPLES = 60
ROLES = ("gateway", "stylize", "train", "aggregate")


class Board:
    """Holds the samples of the last minutes, and computes what the page shows."""

    def __init__(self, old_look_s: float, links: Mapping[str, str] | None = None) -> None:
        """A healthy stream shows no look for longer than `old_look_s`. `links` are operators' other pages, by name."""
        self._old_look_s, self._links = old_look_s, links or {}
        self._samples: deque[Sample] = deque(maxlen=SAMPLES + 1)
        self._hour = {
            "queue": CoarseSeries(HOUR_VALUES, HOUR_STEP, max),
            "key_frames_per_s": CoarseSeries(HOUR_VALUES, HOUR_STEP, lambda rates: round(fmean(rates), 3)),
            "oldest_s": CoarseSeries(HOUR_VALUES, HOUR_STEP, max),
        }
        self._events = Events()
        self._alerts: dict[str, str] = {}

    def record(self, sample: Sample) -> None:
        self._samples.append(sample)
        self._alerts = alerts(sample, self._minute(), lag_s=self._lag_s(), old_look_s=self._old_look_s)
        self._events.record(sample, self._alerts)
        for name, values in self._points(list(self._samples)[-2:]).items():
            for value in values:
                self._hour[name].record(value)

    def state(self) -> dict:
        """Return what the page shows, ready for JSON; {} before the first sample."""
        if not self._samples:
            return {}
        now, then, minute = self._samples[-1], self._before(RATE_SAMPLES), self._before(MINUTE_SAMPLES)
        return finite(
            {
                "alerts": list(self._alerts.values()),
                "old_look_s": self._old_look_s,
                "giving_way": [{"step": step, "active": active} for step, active in now.reductions.steps],
                "figures": self._figures(now, then, minute),
                "stages_ms": stages_ms(now, minute),
                "history": {"step_s": SAMPLE_S, **self._points(list(self._samples))},
                "hour": {
                    "step_s": SAMPLE_S * HOUR_STEP,
                    **{name: series.values() for name, series in self._hour.items()},
                },
                "events": [
                    {"ago_s": round(now.at_s - event.at_s), "kind": event.kind, "text": event.text}
                    for event in self._events.newest_first()
                ],
                "failures": [
                    {"what": what, "minute": recent, "total": total}
                    for what, recent, total in failures(now, self._minute())
                ],
                "links": [{"name": name, "url": url} for name, url in self._links.items()],
                "workers": workers(now.redis_state.pushed.workers),
                "streams": [self._stream(stream) for stream in now.streams],
                "roles": [role(name, now, then) for name in ROLES],
                "models": models(now.redis_state.pushed),
                "rounds": [rounded(r) for r in now.redis_state.rounds],
            }
        )

    def _minute(self) -> list[Sample]:
        return list(self._samples)[-1 - MINUTE_SAMPLES :]

    def _before(self, samples: int) -> Sample:
        return self._samples[max(0, len(self._samples) - 1 - samples)]

    def _lag_s(self) -> float | None:
        """Return how late timers were in the last minute: the 99th percentile."""
        return quantile(grown(self._samples[-1].lags, self._before(MINUTE_SAMPLES).lags), 0.99)

    def _figures(self, now: Sample, then: Sample, minute: Sample) -> dict:
        trips = grown(now.trips, minute.trips)
        return {
            "streams": len(now.streams),
            "fps": rate(now.frames - then.frames, now, then),
            "key_frames_per_s": rate(now.answers - then.answers, now, then),
            "queue": now.redis_state.queue,
            "oldest_s": to_digits(now.oldest_s),
            "round_trip_p50_ms": to_ms(quantile(trips, 0.5)),
            "round_trip_p95_ms": to_ms(quantile(trips, 0.95)),
            "loop_lag_p99_ms": to_ms(self._lag_s()),
        }

    @staticmethod
    def _points(samples: list[Sample]) -> dict[str, list]:
        """Return what the charts show of each sample but the first one."""
        return {
            "queue": [sample.redis_state.queue for sample in samples[1:]],
            "key_frames_per_s": [rate(b.answers - a.answers, b, a) for a, b in zip(samples, samples[1:])],
            "oldest_s": [to_digits(sample.oldest_s) for sample in samples[1:]],
        }

    def _stream(self, stream: StreamSample) -> dict:
        """Return what is shown of a stream. Its rate covers the last samples that have this stream."""
        now = self._samples[-1]
        fps = 0.0
        for then in list(self._samples)[-1 - RATE_SAMPLES : -1]:
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


def finite(value: Any) -> Any:
    """Return the value with None in place of each NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def stages_ms(now: Sample, then: Sample) -> dict[str, float]:
    """Return the mean milliseconds of each stage between two samples; {} if there was no key frame."""
    means = {}
    for stage in STAGES:
        seconds, count = (a - b for a, b in zip(now.stages[stage], then.stages[stage], strict=True))
        if count > 0:
            means[stage] = round(1000 * seconds / count, 1)
    return means


def role(name: str, now: Sample, then: Sample) -> dict:
    """Return how many processes a role has, what they consume, and what they do."""
    if name == "gateway":
        return {
            "role": name,
            "processes": 1,
            "cpu": rate(now.cpu_s - then.cpu_s, now, then),
            "memory_bytes": now.memory_bytes,
            "details": {},
        }
    gauges, label = now.redis_state.pushed.gauges, f'{{"role": "{name}"}}'
    return {
        "role": name,
        "processes": int(gauges.get(f"mvs_processes{label}", 0)),
        "cpu": grown_rate(f"mvs_process_cpu_seconds_total{label}", now, then),
        "memory_bytes": int(gauges.get(f"mvs_process_memory_bytes{label}", 0)),
        "details": details(name, now, then),
    }


def details(name: str, now: Sample, then: Sample) -> dict[str, float]:
    gauges, counts = now.redis_state.pushed.gauges, now.redis_state.pushed.counts
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


def models(pushed: PushedMetrics) -> dict[str, int]:
    """Return the model versions in use, and how many workers use each."""
    begin, end = 'mvs_model_info{"version": "', '"}'
    found = {name: value for name, value in pushed.gauges.items() if name.startswith(begin)}
    return {name.removeprefix(begin).removesuffix(end): int(value) for name, value in found.items()}


def workers(pushed: Sequence[WorkerReport]) -> list[dict]:
    """Return what is shown of edge workers, the oldest first."""
    return [
        {
            "age_s": None if worker.age_s is None else round(worker.age_s),
            "memory_bytes": worker.memory_bytes,
            "model": worker.model,
        }
        for worker in sorted(pushed, key=lambda worker: -(worker.age_s or 0))
    ]


def rounded(of: GlobalModel) -> dict:
    return {
        "version": of.version,
        "images": of.images,
        "loss_before": round(of.loss_before, 5),
        "loss_after": round(of.loss_after, 5),
    }


def grown(now: Buckets, then: Buckets) -> Buckets:
    return {bound: count - then.get(bound, 0) for bound, count in now.items()}


def grown_rate(counter: str, now: Sample, then: Sample) -> float:
    """Return a counter's growth in a second, or 0 if Redis was restarted in between."""
    grown_by = now.redis_state.pushed.counts.get(counter, 0) - then.redis_state.pushed.counts.get(counter, 0)
    return rate(max(0.0, grown_by), now, then)


def rate(grown_by: float, now: Sample, then: Sample) -> float:
    return round(grown_by / (now.at_s - then.at_s), 3) if now.at_s > then.at_s else 0.0


def to_ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)


def to_digits(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
