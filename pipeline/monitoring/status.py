"""Computes what the operators' page shows of a gateway: its last minutes, streams and alerts. No I/O and no clock."""

import math
from collections import deque
from typing import Any

from pipeline.basics.quantiles import quantile
from pipeline.monitoring.alerts import alerts
from pipeline.monitoring.metrics import STAGES
from pipeline.monitoring.metrics_push import PushedMetrics
from pipeline.monitoring.sample import Buckets, GlobalModel, Sample, StreamSample

#: A sample is taken each second and kept for five minutes; with twenty streams they take 40 KB.
SAMPLE_S = 1.0
SAMPLES = 300
#: Rates cover the last seconds. Stages and percentiles cover the last minute, with a hundred key frames of each stream.
RATE_SAMPLES = 5
MINUTE_SAMPLES = 60
ROLES = ("gateway", "stylize", "train", "aggregate")


class Board:
    """Holds the samples of the last minutes, and computes what the page shows."""

    def __init__(self, old_look_s: float) -> None:
        """A healthy stream shows no look for longer than `old_look_s`."""
        self._old_look_s = old_look_s
        self._samples: deque[Sample] = deque(maxlen=SAMPLES + 1)

    def record(self, sample: Sample) -> None:
        self._samples.append(sample)

    def state(self) -> dict:
        """Return what the page shows, ready for JSON; {} before the first sample."""
        if not self._samples:
            return {}
        now, then, minute = self._samples[-1], self._before(RATE_SAMPLES), self._before(MINUTE_SAMPLES)
        lag_s = quantile(grown(now.lags, minute.lags), 0.99)
        return finite(
            {
                "alerts": alerts(now, self._minute(), lag_s=lag_s, old_look_s=self._old_look_s),
                "old_look_s": self._old_look_s,
                "giving_way": [{"step": step, "active": active} for step, active in now.reductions.steps],
                "figures": self._figures(now, then, minute, lag_s),
                "stages_ms": stages_ms(now, minute),
                "history": self._history(),
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

    def _figures(self, now: Sample, then: Sample, minute: Sample, lag_s: float | None) -> dict:
        trips = grown(now.trips, minute.trips)
        return {
            "streams": len(now.streams),
            "fps": rate(now.frames - then.frames, now, then),
            "key_frames_per_s": rate(now.answers - then.answers, now, then),
            "queue": now.redis_state.queue,
            "oldest_s": to_digits(now.oldest_s),
            "round_trip_p50_ms": to_ms(quantile(trips, 0.5)),
            "round_trip_p95_ms": to_ms(quantile(trips, 0.95)),
            "loop_lag_p99_ms": to_ms(lag_s),
        }

    def _history(self) -> dict:
        samples = list(self._samples)
        return {
            "step_s": SAMPLE_S,
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
