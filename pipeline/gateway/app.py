"""Puts a gateway together: its routes, and the tasks that live as long as it does."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import redis
from aiohttp import web

from pipeline.contract.frame_strip import STRIP_ROWS
from pipeline.contract.settings import Settings
from pipeline.gateway.offers import MAX_OFFER_BYTES, OfferRoute
from pipeline.gateway.open_sessions import OpenSessions
from pipeline.gateway.previews import INTERVAL_S
from pipeline.http.client_address import ClientAddresses
from pipeline.http.hosts import Hosts
from pipeline.http.other_sites import OtherSites
from pipeline.http.page_files import PageFiles
from pipeline.http.request_check import RequestCheck
from pipeline.http.responses import errors_as_json, preflight, security_headers
from pipeline.http.server import HttpServer
from pipeline.monitoring.auth import Access, is_loopback
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.monitor import Watch
from pipeline.monitoring.status_routes import Operators
from pipeline.monitoring.task_owner import keep_running
from pipeline.pictures.header_limits import MAX_STYLE_BYTES
from pipeline.queues.broker import GatewayBroker, connect
from pipeline.queues.redis_errors import reason
from pipeline.styles.routes import MAX_DELETION_BYTES, StyleRoutes
from pipeline.styles.store import StyleStore

logger = logging.getLogger(__name__)

#: Encoding pictures and calls of Redis use these threads, never the event loop or its default executor, which codecs
#: use.
THREADS = 4
LOAD_SAMPLE_S = 1.0


class Gateway:
    """A gateway. `web_root` is the page's folder; each file in it is served under its path in the folder."""

    def __init__(self, settings: Settings, web_root: Path) -> None:
        self._settings = settings
        self.metrics = GatewayMetrics()
        self._broker = GatewayBroker(settings.redis_url, edge_id=settings.edge_id, gateway_id=settings.gateway_id)
        self._redis = connect(settings.redis_url)
        self._styles = StyleStore(self._redis)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway")
        self._sessions = OpenSessions(settings, self.metrics, self._broker, self._executor, self._styles.find)
        self._offers = OfferRoute(self._sessions, self._styles.find, self._executor, self.metrics)
        self._style_routes = StyleRoutes(self._styles, self.metrics, self._sessions.styles)
        self._others = OtherSites(settings.allowed_origins)
        self._server: HttpServer | None = None
        self._files = PageFiles(web_root)
        self.watch = Watch(
            settings, self.metrics, self._sessions, self._broker, self._executor, self._sessions.reductions
        )
        self.operators = Operators(
            Access.of(settings),
            self.metrics.registry,
            self.watch.board,
            page=self._files.withdraw("status/status.html"),
            executor=self._executor,
        )

    def server(self) -> HttpServer:
        """Return the HTTP server of this gateway's application, not started yet."""
        settings, addresses = self._settings, ClientAddresses(self._settings.trusted_proxies)
        hosts = Hosts(own_names(settings.host), settings.allowed_hosts)
        # The limit for photos is ten times higher here, so that an upload which is too large gets a more helpful
        # answer.
        bodies = {"/offer": MAX_OFFER_BYTES, "/styles": 10 * MAX_STYLE_BYTES, "/styles/delete": MAX_DELETION_BYTES}
        check = RequestCheck(hosts, addresses, bodies, offers_per_s=settings.offers_per_s, others=self._others)
        self._server = HttpServer(self.application(), check, addresses, self.metrics)
        return self._server

    def application(self) -> web.Application:
        app = web.Application(middlewares=[errors_as_json], client_max_size=MAX_STYLE_BYTES + 1024)
        app.on_response_prepare.append(security_headers(self._others))
        app.cleanup_ctx.extend((self._live, self.watch.live))
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/config", self._config)
        for path in ("/offer", "/styles"):
            app.router.add_options(path, preflight)
        self._offers.attach(app)
        self._style_routes.attach(app)
        self.operators.attach(app)
        self._files.attach(app)
        return app

    async def _live(self, app: web.Application) -> AsyncIterator[None]:
        tasks = {"answers": self._hand_out_answers, "load": self._measure_load}
        owner = keep_running(tasks, self.metrics.tasks_restarted)
        yield
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
        await self._sessions.close()
        self._executor.shutdown(cancel_futures=True)
        self._broker.close()
        self._redis.close()

    async def drain(self, limit_s: float) -> None:
        """Admit nobody any more, and let all clients move to another gateway, for `limit_s` at most.

        Until then this gateway is not ready, but serves those who are still here.
        """
        await self._sessions.drain(limit_s)

    async def _hand_out_answers(self) -> None:
        """Pass answers to their sessions for as long as the gateway runs. An unexpected error loses only one answer."""
        dropped, troubles = self.metrics.answers_dropped, self.metrics.redis_errors
        answers = self._broker.answers(dropped.labels("unreadable").inc, lambda kind: troubles.labels(kind).inc())
        async with contextlib.aclosing(answers):
            async for answer in answers:
                session = self._sessions.get(answer.stream_id)
                if session is None:
                    dropped.labels("gone").inc()
                    continue
                try:
                    session.deliver(answer)
                except Exception:
                    dropped.labels("surprise").inc()
                    logger.exception("stream %s: an answer could not be delivered", answer.stream_id)

    async def _measure_load(self) -> None:
        while True:
            # HTTP's part is left out: a flood of requests is no reason to admit fewer sessions.
            http_s, now_s = self._server.cpu_s if self._server else 0.0, time.monotonic()
            self._sessions.cpu.record(now_s, time.process_time() - http_s)
            self._sessions.give_way(now_s)
            await asyncio.sleep(LOAD_SAMPLE_S)

    # Health

    async def _config(self, request: web.Request) -> web.Response:
        config = {
            "iceServers": self._settings.ice_servers,
            "strip_rows": STRIP_ROWS,
            "key_frame_interval_s": self._settings.key_frame_interval_s,
            "preview_interval_s": INTERVAL_S,
            "mixes": True,
        }
        return web.json_response(config)

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "sessions": len(self._sessions)})

    async def _readyz(self, request: web.Request) -> web.Response:
        if self._sessions.draining:
            return web.json_response({"ready": False, "waiting_for": "nothing: it is about to stop"}, status=503)
        try:
            loop = asyncio.get_running_loop()
            ready = await loop.run_in_executor(self._executor, self._broker.worker_ready)
        except redis.RedisError as error:
            why = {"ready": False, "waiting_for": "redis", "reason": reason(error)}
            return web.json_response(why, status=503)
        if not ready:
            waiting_for = f"a worker of edge {self._settings.edge_id}"
            return web.json_response({"ready": False, "waiting_for": waiting_for}, status=503)
        return web.json_response({"ready": True})


def own_names(host: str) -> frozenset[str]:
    """Return the names of a gateway that listens on `host`; beyond loopback, the machine's name is among them."""
    names = {"localhost", host.lower()}
    if not is_loopback(host):
        machine = socket.gethostname().lower()
        names |= {machine, f"{machine.removesuffix('.local')}.local"}
    return frozenset(names)
