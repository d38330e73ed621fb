"""The HTTP server in front of aiohttp: limits connections by address, admits requests, and measures what HTTP costs."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

from aiohttp import web

from pipeline.http.client_address import UNKNOWN, ClientAddresses, is_local, parsed
from pipeline.http.connection import HEAD_S, HttpConnection
from pipeline.http.head import Head, RequestRefused
from pipeline.http.request_check import RequestCheck
from pipeline.http.responses import CLIENT, Handler
from pipeline.monitoring.metrics import GatewayMetrics

logger = logging.getLogger(__name__)

#: This is enough for a hundred pages that load at once. Each connection takes a file descriptor, of which a process
#: often has 1,024.
MAX_CONNECTIONS = 512
#: A browser opens 6 connections, and a whole office may have one address, whose idle connections make room for new
#: ones.
MAX_OF_ADDRESS = 64
MAX_OF_THIS_MACHINE = 256
BACKLOG = 1024
SWEEP_S = 0.5
#: The pause after a failed attempt to accept a connection, for example for lack of a file descriptor.
ACCEPT_RETRY_S = 0.1
#: aiohttp buffers this much of a body that its handler has not read yet.
READ_BUFFER_BYTES = 16 << 10
#: aiohttp's own log would contain addresses of peers, and a stack trace for each bad request.
SILENT = logging.Logger("aiohttp", logging.CRITICAL + 1)


class HttpServer:
    """Serves an aiohttp application, from `start` to `stop`."""

    def __init__(
        self, app: web.Application, check: RequestCheck, addresses: ClientAddresses, metrics: GatewayMetrics
    ) -> None:
        """The application must not have been started yet."""
        self._check, self._addresses, self._metrics = check, addresses, metrics
        app.middlewares.insert(0, self._answer)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=SILENT,
            shutdown_timeout=2,
            lingering_time=2,
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
        )
        self.cpu_s = 0.0  # processor time that HTTP took in this thread
        self._tasks: set[asyncio.Task] = set()
        self._listeners: list[socket.socket] = []
        self._of: dict[str, dict[HttpConnection, None]] = {}  # by address, each in the order of their last requests
        self._inner: dict[asyncio.Protocol, HttpConnection] = {}

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Start to listen and return the port. Raises OSError if that is impossible."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((info[0], info[4][:2]) for info in found):
            listener = socket.create_server(address, family=family, backlog=BACKLOG)
            listener.setblocking(False)
            self._listeners.append(listener)
            self._spawn(self._accept(listener, tls))
        self._spawn(self._sweep())
        return self._listeners[0].getsockname()[1]

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await self._runner.cleanup()
        for connection in self._all():
            connection.abort("stop")

    # Connections

    async def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listener)
            except OSError as error:
                logger.info("no connection can be accepted now: %s", error.strerror)
                await asyncio.sleep(ACCEPT_RETRY_S)
                continue
            address = str(parsed(peer[0]) or UNKNOWN)
            if self._make_room(address):
                self._spawn(self._open(accepted, address, tls))
            else:
                self._closed("full")
                accepted.close()
            await asyncio.sleep(0)  # lets _open register the connection before the next one is accepted

    async def _open(self, accepted: socket.socket, address: str, tls: ssl.SSLContext | None) -> None:
        connection = HttpConnection(self, address, self._make_inner)
        self._of.setdefault(address, {})[connection] = None
        connection.opening = asyncio.current_task()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=tls, ssl_handshake_timeout=HEAD_S if tls else None
            )
        except OSError:
            self.left(connection, "handshake")
        except asyncio.CancelledError:
            self.left(connection, connection.why)
            raise
        finally:
            connection.opening = None

    def _make_room(self, address: str) -> bool:
        """Make room for one more connection of an address; return whether there is room.

        If need be a waiting connection is closed: the oldest of this address, or of the address that has the most.
        """
        ours = self._of.get(address, {})
        is_proxy = self._addresses.is_proxy(parsed(address))
        limit = MAX_CONNECTIONS if is_proxy else MAX_OF_THIS_MACHINE if is_local(address) else MAX_OF_ADDRESS
        if len(ours) >= limit:
            return self._evict_from(ours)
        if sum(map(len, self._of.values())) < MAX_CONNECTIONS:
            return True
        return any(self._evict_from(theirs) for theirs in sorted(self._of.values(), key=len, reverse=True))

    def _evict_from(self, connections: Mapping[HttpConnection, None]) -> bool:
        waiting = next((connection for connection in connections if connection.is_waiting), None)
        if waiting is None:
            return False
        waiting.abort("evicted")
        self._forget(waiting)
        return True

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = time.monotonic()
            for connection in self._all():
                if reason := connection.overdue(now_s):
                    connection.abort(reason)
            self._metrics.connections.set(len(self._all()))

    def _all(self) -> list[HttpConnection]:
        return [connection for connections in self._of.values() for connection in connections]

    def _forget(self, connection: HttpConnection) -> None:
        connections = self._of.get(connection.peer, {})
        connections.pop(connection, None)
        if not connections:
            self._of.pop(connection.peer, None)

    def _closed(self, reason: str) -> None:
        self._metrics.connections_closed.labels(reason).inc()

    def _spawn(self, coroutine: Awaitable[None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("HTTP: a task failed", exc_info=task.exception())

    # Methods of Owner, which connections call

    def admit(self, head: Head, connection: HttpConnection) -> None:
        connection.client = self._check.admit(head, connection.peer, time.monotonic())

    def refused(self, refused: RequestRefused) -> None:
        self._metrics.requests_refused.labels(refused.reason).inc()

    def answered(self, connection: HttpConnection) -> None:
        if (connections := self._of.get(connection.peer)) and connection in connections:
            connections[connection] = connections.pop(connection)  # this moves it to the end

    def left(self, connection: HttpConnection, reason: str) -> None:
        self._forget(connection)
        if connection.inner is not None:
            self._inner.pop(connection.inner, None)
        if reason:
            self._closed(reason)

    def spent(self, cpu_s: float) -> None:
        self.cpu_s += cpu_s

    # Requests in aiohttp

    def _make_inner(self, connection: HttpConnection) -> asyncio.Protocol:
        make = self._runner.server
        assert make is not None, "the runner was set up in `start`"
        inner = make()
        self._inner[inner] = connection
        return inner

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Send the whole answer here, so that the connection knows when to go on. Sets the request's CLIENT."""
        connection = self._inner.get(request.protocol)
        try:
            request[CLIENT] = connection.client if connection else UNKNOWN
            response = await Metered(handler(request), self.spent)
            await response.prepare(request)
            await response.write_eof()
            return response
        except ConnectionError:
            raise
        except Exception:
            logger.exception("a request could not be answered")
            raise
        finally:
            if connection:
                connection.answered()


class Metered:
    """Wraps a coroutine and reports the processor time of each of its steps to `spent`. Waiting costs nothing."""

    def __init__(self, coroutine: Awaitable[Any], spent: Callable[[float], None]) -> None:
        self._steps, self._spent = coroutine.__await__(), spent

    def __await__(self) -> Generator[Any, Any, Any]:
        step, value = self._steps.send, None
        while True:
            began_s = time.thread_time()
            try:
                waits_for = step(value)
            except StopIteration as done:
                return done.value
            finally:
                self._spent(time.thread_time() - began_s)
            try:
                step, value = self._steps.send, (yield waits_for)
            except BaseException as error:  # this includes a cancellation, which the coroutine must see
                step, value = self._steps.throw, error
