"""The HTTP side: page, styles, offers and health; and the one task that hands answers to sessions."""

import asyncio
import contextlib
import itertools
import logging
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import redis
from aiohttp import web

from pipeline.contract.errors import BadOffer, Busy
from pipeline.contract.frame_strip import STRIP_ROWS
from pipeline.contract.settings import Settings
from pipeline.gateway.admission import Admission, CpuMeter, Holder
from pipeline.gateway.offers import MAX_OFFER_BYTES, Offer
from pipeline.gateway.session import Session
from pipeline.http.client_address import ClientAddresses
from pipeline.http.hosts import Hosts
from pipeline.http.request_check import RequestCheck
from pipeline.http.responses import CLIENT, add_security_headers, errors_as_json
from pipeline.http.server import HttpServer
from pipeline.monitoring.auth import Access, is_loopback
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.monitor import Watch
from pipeline.monitoring.status_routes import Operators
from pipeline.monitoring.stream_stats import StreamStats
from pipeline.monitoring.task_owner import keep_running
from pipeline.pictures.header_limits import MAX_STYLE_BYTES
from pipeline.queues.broker import GatewayBroker, connect
from pipeline.queues.redis_errors import reason
from pipeline.styles.routes import StyleRoutes
from pipeline.styles.store import StyleStore

logger = logging.getLogger(__name__)

#: Pictures, Redis and uploads run here, never on the event loop and never on its default executor, where codecs work.
THREADS = 4
CPU_SAMPLE_S = 1.0


class Gateway:
    """`web_root` is the folder of the page: every file in it is served under its path there."""

    def __init__(self, settings: Settings, web_root: Path) -> None:
        self._settings = settings
        self.metrics = GatewayMetrics()
        self._broker = GatewayBroker(settings.redis_url, edge_id=settings.edge_id, gateway_id=settings.gateway_id)
        self._redis = connect(settings.redis_url)
        self._styles = StyleStore(self._redis)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway")
        self._style_routes = StyleRoutes(self._styles, self.metrics, self._styles_on_show)
        self._sessions: dict[str, Session] = {}
        self._clients: dict[str, str] = {}  # by stream: whose places they are
        self._closing: set[asyncio.Task] = set()
        self._server: HttpServer | None = None
        self._admission, self._cpu = Admission(settings.max_sessions, settings.cpu_budget), CpuMeter()
        self._numbers = itertools.count(1)
        self._files = {f.relative_to(web_root).as_posix(): f for f in web_root.rglob("*") if f.is_file()}
        status_page = self._files.pop("status/status.html", None)
        self.watch = Watch(settings, self.metrics, self._sessions, self._broker, self._executor)
        self.operators = Operators(
            Access.of(settings),
            self.metrics.registry,
            self.watch.board,
            page=status_page.read_bytes() if status_page else b"",
            executor=self._executor,
        )

    def server(self) -> HttpServer:
        """The one that this gateway's application is meant for."""
        settings, addresses = self._settings, ClientAddresses(self._settings.trusted_proxies)
        hosts = Hosts(own_names(settings.host), settings.allowed_hosts)
        bodies = {"/offer": MAX_OFFER_BYTES, "/styles": 10 * MAX_STYLE_BYTES}  # a photo gets a sentence of its own
        check = RequestCheck(hosts, addresses, bodies, offers_per_s=settings.offers_per_s)
        self._server = HttpServer(self.application(), check, addresses, self.metrics)
        return self._server

    def application(self) -> web.Application:
        app = web.Application(middlewares=[errors_as_json], client_max_size=MAX_STYLE_BYTES + 1024)
        app.on_response_prepare.append(add_security_headers)
        app.cleanup_ctx.extend((self._live, self.watch.live))
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/config", self._config)
        app.router.add_post("/offer", self._offer)
        self._style_routes.attach(app)
        self.operators.attach(app)
        app.router.add_get("/", self._file)
        app.router.add_get("/{name:.+}", self._file)
        return app

    async def _live(self, app: web.Application) -> AsyncIterator[None]:
        tasks = {"answers": self._hand_out_answers, "cpu": self._measure_cpu}
        owner = keep_running(tasks, self.metrics.tasks_restarted)
        yield
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
        await asyncio.gather(*self._closing, *(session.close() for session in list(self._sessions.values())))
        self._executor.shutdown(cancel_futures=True)
        self._broker.close()
        self._redis.close()

    async def _hand_out_answers(self) -> None:
        """For as long as the gateway lives: an answer that surprises a session costs that answer and nothing else."""
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

    async def _measure_cpu(self) -> None:
        while True:
            # Sessions' cost only: a flood of requests is no reason to take fewer of them.
            self._cpu.add(time.monotonic(), time.process_time() - (self._server.cpu_s if self._server else 0.0))
            await asyncio.sleep(CPU_SAMPLE_S)

    # signalling

    async def _offer(self, request: web.Request) -> web.Response:
        try:
            offer = Offer.parse(await _read_body(request))
            session = await self._open(offer, request[CLIENT])
        except (BadOffer, Busy) as error:
            self.metrics.offers_refused.labels(type(error).__name__).inc()
            raise
        try:
            sdp = await session.answer(offer.sdp)
        except BaseException:
            await session.close()
            raise
        return web.json_response({"type": "answer", "sdp": sdp, "stream_id": session.stream_id})

    async def _open(self, offer: Offer, client: str) -> Session:
        style_id = await self._blocking(self._styles.find, offer.style)
        if style_id is None:
            raise BadOffer("This style is not known here; choose one of GET /styles or upload it first.")
        self._make_place(client)
        session = Session(
            stream_id=secrets.token_hex(8),
            style_id=style_id,
            picture_size=offer.picture_size,
            settings=self._settings,
            broker=self._broker,
            executor=self._executor,
            stats=StreamStats(self.metrics, number=next(self._numbers), shown_s=time.monotonic()),
            find_style=self._styles.find,
            on_closed=self._forget,
        )
        self._sessions[session.stream_id], self._clients[session.stream_id] = session, client
        self.metrics.sessions.set(len(self._sessions))
        return session

    def _make_place(self, client: str) -> None:
        """Raises Busy before anything is made for a session that there is no place for."""
        now_s, sessions = time.monotonic(), list(self._sessions.values())
        holders = [Holder(self._clients[s.stream_id], now_s - s.began_s, s.stats.frames > 0) for s in sessions]
        gone = self._admission.admit(holders, client, self._cpu.cores)
        if gone is not None:
            self.metrics.sessions_cut.labels("pending").inc()
            self._forget(sessions[gone])
            task = asyncio.create_task(sessions[gone].close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _styles_on_show(self) -> set[str]:
        return {session.style_id for session in self._sessions.values()}

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.stream_id, None)
        self._clients.pop(session.stream_id, None)
        self.metrics.sessions.set(len(self._sessions))

    # page and health

    async def _file(self, request: web.Request) -> web.FileResponse:
        name = request.match_info.get("name", "index.html")
        if name not in self._files:
            raise web.HTTPNotFound(text="No such page.")
        return web.FileResponse(self._files[name])

    async def _config(self, request: web.Request) -> web.Response:
        return web.json_response({"iceServers": self._settings.ice_servers, "strip_rows": STRIP_ROWS})

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "sessions": len(self._sessions)})

    async def _readyz(self, request: web.Request) -> web.Response:
        try:
            ready = await self._blocking(self._broker.worker_ready)
        except redis.RedisError as error:
            why = {"ready": False, "waiting_for": "redis", "reason": reason(error)}
            return web.json_response(why, status=503)
        if not ready:
            waiting_for = f"a worker of edge {self._settings.edge_id}"
            return web.json_response({"ready": False, "waiting_for": waiting_for}, status=503)
        return web.json_response({"ready": True})

    async def _blocking(self, function: Callable, *args: object) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)


def own_names(host: str) -> frozenset[str]:
    """What a gateway that listens on `host` is called without anybody's doing: to others by the machine's name, too."""
    names = {"localhost", host.lower()}
    if not is_loopback(host):
        machine = socket.gethostname().lower()
        names |= {machine, f"{machine.removesuffix('.local')}.local"}
    return frozenset(names)


async def _read_body(request: web.Request) -> bytes:
    """An offer's: the server has seen to its length."""
    charset = (request.charset or "utf-8").lower()
    if request.content_type != "application/json" or charset not in ("utf-8", "utf8"):
        # Also keeps other sites' pages out: this type needs a CORS preflight.
        raise web.HTTPUnsupportedMediaType(text="An offer is application/json in UTF-8.")
    return await request.read()
