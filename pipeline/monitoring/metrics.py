"""Defines the Prometheus metrics of each role. Names contain unit and kind; labels have few values.

Prometheus scrapes only gateways. The other roles push their metrics to Redis (see pipeline.monitoring.metrics_push),
and every gateway shows them. So a worker needs no port, it may be behind any router, and its counts outlive it.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    Summary,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pipeline.key_frames.selector import Reason
from pipeline.queues.redis_errors import REASONS

disable_created_metrics()  # they double the text, and only say when a process started

#: The reasons why frames cannot be key frames, key frames are never answered, and answers reach nobody.
FRAME_DROPS = ("strip", "behind", "broken", "empty", "budget", "size", "unneeded")
KEY_FRAME_DROPS = ("deadline", "error", "redis")
ANSWER_DROPS = ("late", "style", "channel", "slow", "gone", "unreadable", "surprise")
#: Why a session is ended because of its video.
STREAM_REFUSALS = ("size", "memory", "changes")
OFFER_REFUSALS = ("BadOffer", "Busy")
#: Why packets, candidates and chunks are dropped. The first eight: STUN that ICE does not need, without a signature, or
#: too much of it; data that does not come from the peer; too many candidates or checks; too much data for DTLS; invalid
#: SCTP. The rest concerns media: too many packets, too many sources, invalid extensions and packets, too much RTCP, and
#: errors in our own code.
REFUSALS = (
    "stun",
    "unsigned",
    "flood",
    "stranger",
    "candidate",
    "check",
    "queue",
    "sctp",
    "budget",
    "source",
    "extension",
    "malformed",
    "rtcp",
    "failed",
)
#: The tasks of a gateway that live as long as it does.
TASKS = ("answers", "load", "watch", "lag", "beat", "certificate")
#: Why control messages in either direction are dropped, and why the gateway ends sessions.
CONTROL_DROPS = ("rate", "nonsense", "unread")
CUTS = ("flood", "broken", "pending")
#: The outcome of an upload: it was kept; it was refused because of its content type, size or slowness, or as an invalid
#: picture; a limit stopped it; its sender left; there was no room; or it failed because of an error of ours.
UPLOAD_OUTCOMES = ("kept", "type", "size", "slow", "picture", "limit", "left", "busy", "failed")
#: Why requests are refused before they are read, and why the gateway closes connections.
REQUEST_REFUSALS = ("head", "method", "encoding", "length", "host", "origin", "rate", "busy")
CONNECTION_CLOSES = ("idle", "head", "slow", "answer", "linger", "pipelined", "evicted", "full", "handshake", "stop")
#: The processes that `up` starts, and why it restarts one: it ended, a signal killed it, or it gave no sign of life.
PARTS = ("redis", "gateway", "worker", "trainer", "aggregator")
RESTART_REASONS = ("ended", "killed", "silent")
#: The outcomes of jobs. Those which are not jobs of ours are "unreadable".
EDGE_OUTCOMES = ("answered", "late", "refused", "failed", "unreadable")
#: The outcomes of jobs for previews: "again" if the statistics of a style had to be computed first.
PREVIEW_JOBS = ("answered", "again", "late", "refused")
#: The outcomes of clients' requests for previews: an answer was sent; there was more important work; the client asked
#: too soon; too many waited in the queue; Redis took none; or the answer was late, or the channel closed or full.
PREVIEW_OUTCOMES = ("answered", "busy", "rate", "queue", "redis", "late", "channel", "slow")
#: Gauges that have no series before something was measured, since 0 would be a perfect value.
MEASURED = {"mvs_holdout_loss"}
#: The stages of a key frame, in this order; together they take mvs_key_frame_answer_seconds.
STAGES = ("encode", "queue", "decode", "stylize", "return")
STAGE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2)
ANSWER_BUCKETS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5, 1, 2)
LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
AGE_BUCKETS = (0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 1, 1.5, 2, 3, 5, 10)


class GatewayMetrics:
    """The metrics of a gateway. Each gateway has its own, so that two gateways in one test do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(counted_by, registry=self.registry)
        ProcessCollector(registry=self.registry)
        self.sessions = Gauge("mvs_sessions", "Live sessions", registry=self.registry)
        self.in_flight = Gauge(
            "mvs_key_frames_in_flight", "Key frames that wait for their answer", registry=self.registry
        )
        self.oldest_look = Gauge(
            "mvs_oldest_look_seconds", "Age of the oldest key frame that a stream shows", registry=self.registry
        )
        self.old_look = Gauge(
            "mvs_old_look_seconds", "Age that no healthy stream's look reaches", registry=self.registry
        )
        self.queue_depth = Gauge("mvs_queue_depth", "Key frames in the edge's queue", registry=self.registry)
        self.worker_ready = Gauge(
            "mvs_worker_ready", "1 while a warm worker serves this gateway's edge", registry=self.registry
        )
        self.redis_usable = Gauge("mvs_redis_usable", "1 while Redis takes key frames", registry=self.registry)
        self.look_interval = Gauge(
            "mvs_look_interval_seconds",
            "Time between two renewals of a look while the edge is busy; 0 while it is not",
            registry=self.registry,
        )
        self.frames = Counter("mvs_frames_received_total", "Video frames received", registry=self.registry)
        self.frames_dropped = counter("mvs_frames_dropped_total", "Frames that cannot be key frames", FRAME_DROPS)
        self.streams_refused = counter("mvs_streams_refused_total", "Sessions ended for their video", STREAM_REFUSALS)
        self.key_frames = counter("mvs_key_frames_total", "Key frames picked", get_args(Reason))
        self.key_frames_dropped = counter("mvs_key_frames_dropped_total", "Key frames never answered", KEY_FRAME_DROPS)
        self.answers = Counter("mvs_answers_sent_total", "Answers sent to their client", registry=self.registry)
        self.answers_dropped = counter("mvs_answers_dropped_total", "Answers that reached nobody", ANSWER_DROPS)
        self.previews = counter("mvs_previews_total", "Requests for previews", PREVIEW_OUTCOMES, "outcome")
        self.offers_refused = counter("mvs_offers_refused_total", "Offers refused", OFFER_REFUSALS)
        self.refused = counter("mvs_packets_refused_total", "Datagrams and chunks that were dropped", REFUSALS)
        self.control_dropped = counter("mvs_control_dropped_total", "Control messages dropped", CONTROL_DROPS)
        self.sessions_cut = counter("mvs_sessions_cut_total", "Sessions ended for what their peer sent", CUTS)
        self.uploads = counter("mvs_uploads_total", "Pictures sent to become styles", UPLOAD_OUTCOMES, "outcome")
        self.connections = Gauge("mvs_http_connections", "HTTP connections", registry=self.registry)
        self.requests_refused = counter("mvs_requests_refused_total", "Requests refused unread", REQUEST_REFUSALS)
        self.connections_closed = counter(
            "mvs_http_connections_closed_total", "HTTP connections closed by the gateway", CONNECTION_CLOSES
        )
        self.redis_errors = counter("mvs_redis_errors_total", "Times answers waited for Redis", REASONS)
        self.key_frame_stretch = Gauge(
            "mvs_key_frame_stretch",
            "How many times more a key frame must be worth while the edge is busy",
            registry=self.registry,
        )
        self.asked_frame_rate = Gauge(
            "mvs_asked_frame_rate", "Frames a second that each client is asked for", registry=self.registry
        )
        self.turn_wait = Gauge(
            "mvs_turn_wait_seconds", "How long streams wait for their turn at the edge", registry=self.registry
        )
        self.tasks_restarted = counter("mvs_tasks_restarted_total", "Long-lived tasks that ended", TASKS, "task")
        self.network_bytes = counter("mvs_network_bytes_total", "WebRTC bytes on the wire", ("in", "out"), "direction")
        histogram = partial(Histogram, registry=self.registry)
        self.answer_seconds = histogram(
            "mvs_key_frame_answer_seconds",
            "From picking a key frame to its answer, in the gateway",
            buckets=ANSWER_BUCKETS,
        )
        stages = histogram(
            "mvs_stage_seconds",
            "Where that time goes: encode, queue, decode, stylize, return",
            ["stage"],
            buckets=STAGE_BUCKETS,
        )
        self.stage_seconds = {stage: stages.labels(stage) for stage in STAGES}
        self.look_age_seconds = histogram(
            "mvs_key_frame_age_seconds",
            "Age of the key frame on show when the next one takes its place",
            buckets=AGE_BUCKETS,
        )
        self.loop_lag_seconds = histogram(
            "mvs_event_loop_lag_seconds", "How much later than asked for a timer fires", buckets=LAG_BUCKETS
        )


def counted_by(
    name: str, documentation: str, values: Iterable[str], label: str = "reason", *, registry: CollectorRegistry
) -> Counter:
    """Make a counter that exists for each value from the start, since Prometheus' rate() misses a first increment."""
    counter = Counter(name, documentation, [label], registry=registry)
    for value in values:
        counter.labels(value)
    return counter


class WorkerMetrics:
    """The metrics of an edge worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessMetrics("stylize", self.registry)
        self.model = Info(
            "mvs_model",
            "The model that key frames are answered with, and how many workers have it",
            registry=self.registry,
        )
        handled = Counter(
            "mvs_edge_key_frames_total", "Key frames taken from the queue", ["outcome"], registry=self.registry
        )
        self.handled = {outcome: handled.labels(outcome) for outcome in EDGE_OUTCOMES}
        jobs = Counter("mvs_edge_previews_total", "Jobs for previews taken", ["outcome"], registry=self.registry)
        self.previews = {outcome: jobs.labels(outcome) for outcome in PREVIEW_JOBS}
        errors = Counter(
            "mvs_edge_redis_errors_total", "Times an edge worker waited for Redis", ["reason"], registry=self.registry
        )
        self.redis_errors = {reason: errors.labels(reason) for reason in REASONS}
        self.busy_seconds = Counter("mvs_edge_busy_seconds_total", "Time spent answering", registry=self.registry)
        self.models_adopted = Counter(
            "mvs_edge_models_adopted_total", "Changes of the model while serving", registry=self.registry
        )
        self.workers_killed = Counter(
            "mvs_edge_workers_killed_total", "Workers that a signal ended and others follow", registry=self.registry
        )
        self.threads_restarted = Counter(
            "mvs_edge_threads_restarted_total", "Long-lived threads that ended", registry=self.registry
        )
        self.models_refused = Counter(
            "mvs_edge_models_refused_total", "Globals that could not be adopted", registry=self.registry
        )
        self.styles = Gauge("mvs_edge_styles_cached", "Styles whose statistics are at hand", registry=self.registry)


class TrainerMetrics:
    """The metrics of an edge's trainer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessMetrics("train", self.registry)
        self.samples = Gauge("mvs_training_samples", "Shared key frames at hand", registry=self.registry)
        self.images = Counter("mvs_training_images_total", "Images learned from", registry=self.registry)
        loss = Summary(
            "mvs_training_loss", "Eq. 5 of the edge's own pictures, before and after", ["when"], registry=self.registry
        )
        self.loss = {when: loss.labels(when) for when in ("before", "after")}


class AggregatorMetrics:
    """The metrics of the cloud's aggregator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessMetrics("aggregate", self.registry)
        self.round = Gauge("mvs_round", "Version of the newest global model", registry=self.registry)
        self.waiting = Gauge(
            "mvs_round_updates", "Edges whose weights wait for the round to close", registry=self.registry
        )
        self._loss = Gauge(
            "mvs_holdout_loss", "Eq. 5 of the hold-out pictures around the last round", ["when"], registry=self.registry
        )

    def measured(self, before: float, after: float) -> None:
        """Set the loss of the hold-out pictures around a round."""
        for when, loss in (("before", before), ("after", after)):
            self._loss.labels(when).set(loss)


class SupervisorMetrics:
    """The metrics of `up`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        restarts = Counter(
            "mvs_restarts_total", "Parts that were started again, and why", ["part", "reason"], registry=self.registry
        )
        self._restarts = {(part, why): restarts.labels(part, why) for part in PARTS for why in RESTART_REASONS}

    def restarted(self, name: str, reason: str) -> None:
        """Count the restart of a process. `name` is its name in PARTS, which a number may follow."""
        self._restarts[name.split()[0], reason].inc()


#: The counters of `pipeline.queues.counters.count`, by the names used there.
LEARNING = {
    "samples_added": "Key frames shared to learn from",
    "samples_dropped": "Shared key frames that newer ones crowded out",
    "samples_expired": "Shared key frames that became a day old",
    "samples_withdrawn": "Shared key frames that were taken back",
    "samples_refused": "Shared key frames that could not be read",
    "samples_without_consent": "Key frames that were not kept: their sender took them back, or Redis forgot who agreed",
    "learning_failures": "Turns of a trainer or an aggregator that ended with a surprise",
    "reports_refused": "Reports of roles, and counters, that could not be read",
    "globals_refused": "Globals that are not signed with the deployment's key",
    "snapshots_sent": "Times an edge sent what it learned",
    "snapshots_refused": "Edges' weights that could not count",
    "rounds": "Rounds that made a new global model",
    "rounds_refused": "Rounds whose model did not pass the gate",
    "alarms": "Globals that could not be written to disk",
}


class LearningMetrics:
    """The counters that several roles count directly in Redis."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for name, documentation in LEARNING.items():
            Counter(f"mvs_{name}_total", documentation, registry=self.registry)


class ProcessMetrics:
    """The metrics of one process of a role. Their sums say how many processes there are and what they consume."""

    def __init__(self, role: str, registry: CollectorRegistry) -> None:
        self._role, self._began_s = role, time.monotonic()
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        processes = GaugeMetricFamily("mvs_processes", "Live processes", labels=["role"])
        memory = GaugeMetricFamily("mvs_process_memory_bytes", "Resident memory", labels=["role"])
        cpu = CounterMetricFamily("mvs_process_cpu_seconds", "Processor time", labels=["role"])
        age = GaugeMetricFamily("mvs_process_age_seconds", "Ages of the live processes, added up", labels=["role"])
        now = (float(resident_bytes()), time.process_time(), time.monotonic() - self._began_s)
        for family, value in ((processes, 1.0), (memory, now[0]), (cpu, now[1]), (age, now[2])):
            family.add_metric([self._role], value)
            yield family


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes, or 0 on systems other than Linux."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
