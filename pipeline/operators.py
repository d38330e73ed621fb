"""What operators ask a gateway: /metrics, /status and /status.json, and the task that keeps them true."""
import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor

import redis
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

from pipeline import reports
from pipeline.access import COOKIE, SENTENCE, Access
from pipeline.board import TICK_S, Board, Buckets, Reading, Round, Stream, Tick
from pipeline.broker import GatewayBroker, connect
from pipeline.metrics import GatewayMetrics, resident_bytes
from pipeline.session import Session
from pipeline.settings import Settings
from pipeline.snapshots import Snapshots
from pipeline.styles import shipped

logger = logging.getLogger(__name__)

#: A loop that is late with this timer is late with frames and answers, too.
LAG_PROBE_S = 0.1

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Operators:
    """Reads Redis every second, in a thread; a page that is looked at costs no more than one that is not."""

    def __init__(self, settings: Settings, metrics: GatewayMetrics, sessions: Mapping[str, Session],
                 broker: GatewayBroker, executor: Executor, page: bytes) -> None:
        """`page` is the operators' page; `sessions` may change at any time."""
        self._html = page
        self.access = Access.of(settings)
        self._metrics, self._sessions, self._broker, self._executor = metrics, sessions, broker, executor
        urls = dict.fromkeys((settings.redis_url, settings.weights_url))
        self._connections = [connect(url) for url in urls]
        self._snapshots = Snapshots(self._connections[-1])
        self._board, self._roles = Board(), reports.Roles()
        metrics.registry.register(self._roles)
        self._style_names = {style.id: style.name for style in shipped()}

    def attach(self, app: web.Application) -> None:
        for path, handler in (("/metrics", self._text), ("/status", self._page), ("/status.json", self._state)):
            app.router.add_get(path, self._guarded(handler))
        app.cleanup_ctx.append(self._live)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            token, cookie = request.query.get("token", ""), request.cookies.get(COOKIE, "")
            if not self.access.granted(request.headers, cookie=cookie, query=token):
                raise web.HTTPUnauthorized(text=SENTENCE)
            response = await handler(request)
            if self.access.opens(token):  # so that the page may ask on without it, and its address need not show it
                secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
                response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=secure)
            return response

        return guarded

    async def _text(self, request: web.Request) -> web.Response:
        text = await self._blocking(generate_latest, self._metrics.registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(body=self._html, content_type="text/html", charset="utf-8")

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self._board.state())

    # once a second

    async def _live(self, app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._probe_loop())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in self._connections:
            connection.close()

    async def _probe_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LAG_PROBE_S
            await asyncio.sleep(LAG_PROBE_S)
            self._metrics.loop_lag_seconds.observe(max(0.0, loop.time() - due_s))

    async def _watch(self) -> None:
        while True:
            try:
                await self._tick()
            except Exception:  # a page that stands still is worse than one that lacks a second
                logger.exception("the operators' page lacks a second")
            await asyncio.sleep(TICK_S)

    async def _tick(self) -> None:
        reading = Reading()
        with contextlib.suppress(redis.RedisError):
            reading = await self._blocking(self._read)
            self._roles.told = reading.told  # else the last stays: counters never fall
        await asyncio.gather(*(session.count_bytes() for session in self._sessions.values()))
        tick = self._now(reading, time.monotonic())
        self._board.add(tick)
        self._metrics.in_flight.set(sum(stream.in_flight for stream in tick.streams))
        self._metrics.oldest_look.set(tick.oldest_s or 0.0)
        self._metrics.worker_ready.set(reading.ready)
        self._metrics.queue_depth.set(reading.queue or 0)

    def _read(self) -> Reading:
        """Blocks for a few round trips. Raises redis.RedisError."""
        told = [reports.read(connection) for connection in self._connections]
        rounds = [
            Round(s.base_version, s.num_examples, s.loss_before, s.loss_after) for s in self._snapshots.recent_globals()
        ]
        return Reading(True, self._broker.worker_ready(), self._broker.queue_depth(), reports.together(told), rounds)

    def _now(self, reading: Reading, now_s: float) -> Tick:
        metrics = self._metrics
        stages = {stage: total(child) for stage, child in metrics.stage_seconds.items()}
        return Tick(
            at_s=now_s, reading=reading, streams=[self._stream(session, now_s) for session in self._sessions.values()],
            frames=counted(metrics.frames), answers=counted(metrics.answers), stages=stages,
            trips=buckets(metrics.answer_seconds), lags=buckets(metrics.loop_lag_seconds),
            cpu_s=time.process_time(), memory_bytes=resident_bytes(),
        )

    def _stream(self, session: Session, now_s: float) -> Stream:
        tally = session.tally
        return Stream(
            number=tally.number, style=self._style_names.get(session.style_id, "own photo"), size=session.picture_size,
            frames=tally.frames, key_frames=tally.key_frames, answers=tally.answers, in_flight=session.in_flight,
            drops=dict(tally.drops), age_s=now_s - tally.shown_s,
        )

    async def _blocking(self, function: Callable, *args: object) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)


def counted(counter: Counter) -> float:
    (family,) = counter.collect()
    return family.samples[0].value


def total(histogram: Histogram) -> tuple[float, float]:
    """Its sum, and how many values are in it."""
    values = {sample.name.rpartition("_")[2]: sample.value for sample in histogram.collect()[0].samples}
    return values["sum"], values["count"]


def buckets(histogram: Histogram) -> Buckets:
    (family,) = histogram.collect()
    return {float(sample.labels["le"]): sample.value for sample in family.samples if "le" in sample.labels}
