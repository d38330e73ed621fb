"""Samples a gateway, its sessions and Redis once a second, and updates the metrics and the operators' board."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from typing import Protocol

import redis
from aiohttp import web
from prometheus_client import Counter, Histogram

from pipeline.contract import redis_keys
from pipeline.contract.settings import Settings
from pipeline.monitoring import metrics_push
from pipeline.monitoring.metrics import GatewayMetrics, resident_bytes
from pipeline.monitoring.sample import Buckets, GlobalModel, RedisState, Reductions, Sample, StreamSample
from pipeline.monitoring.status import SAMPLE_S, Board
from pipeline.monitoring.stream_stats import StreamStats
from pipeline.monitoring.task_owner import keep_running
from pipeline.queues.broker import GatewayBroker, connect
from pipeline.queues.redis_errors import Outage, kind, place
from pipeline.queues.weight_snapshots import recent_globals
from pipeline.styles.catalog import shipped
from pipeline.styles.mix import parts

logger = logging.getLogger(__name__)

#: The interval of a timer that measures how late the event loop is; frames and answers are late by as much.
LAG_PROBE_S = 0.1


class WatchedSession(Protocol):
    """The part of a gateway's session that is used here."""

    stats: StreamStats

    @property
    def style_id(self) -> str:
        """The id of the style that key frames get now."""

    @property
    def is_paused(self) -> bool:
        """Whether the client sends no frames for now."""

    @property
    def in_flight(self) -> int:
        """How many key frames wait for their answers."""

    @property
    def picture_size(self) -> tuple[int, int]:
        """The (width, height) that the client last declared."""

    async def count_bytes(self) -> None:
        """Add to the stats the bytes that were sent and received since the last call."""


class Watch:
    """Takes the samples; Redis is read in a thread. `live` is for aiohttp's cleanup contexts."""

    def __init__(
        self,
        settings: Settings,
        metrics: GatewayMetrics,
        sessions: Mapping[str, WatchedSession],
        broker: GatewayBroker,
        executor: Executor,
        reductions: Callable[[int], Reductions] = lambda queue: Reductions(),
    ) -> None:
        """`sessions` may change at any time. `reductions` returns what is given up at present, by the
        queue's length."""
        self._reductions = reductions
        self._metrics, self._sessions, self._broker, self._executor = metrics, sessions, broker, executor
        # If every answer comes in time, none is older than this when the next one replaces it.
        old_look_s = settings.key_frame_interval_s + redis_keys.KEY_FRAME_DEADLINE_MS / 1000
        addresses = {"Queues": settings.dashboard_url, "Grafana": settings.grafana_url}
        self.board = Board(old_look_s, {name: address for name, address in addresses.items() if address})
        metrics.old_look.set(old_look_s)
        self._roles = metrics_push.RoleCollector()
        metrics.registry.register(self._roles)
        self._edge, self._cloud = connect(settings.redis_url), connect(settings.weights_url)
        self._outage = Outage("the queue of key frames", place(self._edge))
        self._has_two = settings.weights_url != settings.redis_url
        self._of_cloud: tuple[metrics_push.PushedMetrics, list[GlobalModel]] = metrics_push.PushedMetrics(), []
        self._style_names = {style.id: style.name for style in shipped()}

    async def live(self, app: web.Application) -> AsyncIterator[None]:
        owner = keep_running({"watch": self._watch, "lag": self._probe_loop}, self._metrics.tasks_restarted)
        yield
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
        self._edge.close()
        self._cloud.close()

    async def _probe_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LAG_PROBE_S
            await asyncio.sleep(LAG_PROBE_S)
            self._metrics.loop_lag_seconds.observe(max(0.0, loop.time() - due_s))

    async def _watch(self) -> None:
        while True:
            try:
                await self.sample()
            except Exception:  # a page without one sample is better than a page that stands still
                logger.exception("operators lack a second")
            await asyncio.sleep(SAMPLE_S)

    async def sample(self) -> None:
        redis_state = RedisState()
        try:
            redis_state = await asyncio.get_running_loop().run_in_executor(self._executor, self._read)
            self._roles.pushed = redis_state.pushed  # on an error the last values stay, since counters must never fall
        except redis.RedisError as error:
            self._outage.failed(error)
            redis_state = RedisState(trouble=kind(error))
        except Exception:  # data in Redis is invalid; what the gateway itself knows is shown nevertheless
            logger.exception("what Redis holds cannot be shown")
        await asyncio.gather(*(session.count_bytes() for session in self._sessions.values()))
        sample = self._now(redis_state, time.monotonic())
        self.board.record(sample)
        self._metrics.in_flight.set(sum(stream.in_flight for stream in sample.streams))
        self._metrics.oldest_look.set(sample.oldest_s or 0.0)
        self._metrics.look_interval.set(sample.reductions.look_interval_s or 0.0)
        self._metrics.redis_usable.set(not redis_state.trouble)
        self._metrics.worker_ready.set(redis_state.ready)
        self._metrics.queue_depth.set(math.nan if redis_state.queue is None else redis_state.queue)

    def _read(self) -> RedisState:
        """Read the state of Redis, in a few round trips. Raises redis.RedisError.

        If the cloud's Redis does not answer, its last state is used.
        """
        pushed = metrics_push.read(self._edge)
        with contextlib.suppress(redis.RedisError):
            rounds = [
                GlobalModel(s.base_version, s.num_examples, s.loss_before, s.loss_after)
                for s in recent_globals(self._cloud)
                if s.num_examples  # the shipped model does not come from a round
            ]
            self._of_cloud = metrics_push.read(self._cloud) if self._has_two else metrics_push.PushedMetrics(), rounds
        of_cloud, rounds = self._of_cloud
        pushed = metrics_push.together([pushed, of_cloud])
        ready, trouble = self._ready()
        return RedisState(trouble, ready, self._queue(), pushed, rounds)

    def _ready(self) -> tuple[bool, str]:
        """Return whether a worker is there, and the kind of error if Redis can be read but not written to."""
        try:
            ready = self._broker.worker_ready()
        except redis.RedisError as error:
            self._outage.failed(error)
            return False, kind(error)
        self._outage.ended()
        return ready, ""

    def _queue(self) -> int | None:
        """Return the length of the queue, or None if its key holds something else."""
        with contextlib.suppress(redis.ResponseError):
            return self._broker.queue_depth()
        return None

    def _now(self, redis_state: RedisState, now_s: float) -> Sample:
        metrics = self._metrics
        stages = {stage: total(child) for stage, child in metrics.stage_seconds.items()}
        return Sample(
            at_s=now_s,
            redis_state=redis_state,
            streams=[self._stream(session, now_s) for session in self._sessions.values()],
            frames=counted(metrics.frames),
            answers=counted(metrics.answers),
            stages=stages,
            trips=buckets(metrics.answer_seconds),
            lags=buckets(metrics.loop_lag_seconds),
            cpu_s=time.process_time(),
            memory_bytes=resident_bytes(),
            counts=self._counts(),
            reductions=self._reductions(redis_state.queue or 0),
        )

    def _counts(self) -> dict[str, float]:
        """Return the counters that show whether something is wrong, by sample."""
        m = self._metrics
        counters = (
            m.offers_refused,
            m.requests_refused,
            m.uploads,
            m.streams_refused,
            m.sessions_cut,
            m.key_frames_dropped,
            m.answers_dropped,
            m.tasks_restarted,
        )
        samples = [sample for counter in counters for family in counter.collect() for sample in family.samples]
        return {metrics_push.key(sample): sample.value for sample in samples}

    def _stream(self, session: WatchedSession, now_s: float) -> StreamSample:
        stats = session.stats
        return StreamSample(
            number=stats.number,
            style=" + ".join(self._style_names.get(part, "own photo") for part in parts(session.style_id)),
            size=session.picture_size,
            frames=stats.frames,
            key_frames=stats.key_frames,
            answers=stats.answers,
            in_flight=session.in_flight,
            drops=dict(stats.drops),
            age_s=None if session.is_paused else now_s - stats.shown_s,
        )


def counted(counter: Counter) -> float:
    (family,) = counter.collect()
    return family.samples[0].value


def total(histogram: Histogram) -> tuple[float, float]:
    """Return the sum of a histogram's values, and their number."""
    values = {sample.name.rpartition("_")[2]: sample.value for f in histogram.collect() for sample in f.samples}
    return values["sum"], values["count"]


def buckets(histogram: Histogram) -> Buckets:
    (family,) = histogram.collect()
    return {float(sample.labels["le"]): sample.value for sample in family.samples if "le" in sample.labels}
