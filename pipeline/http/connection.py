"""One HTTP connection between the network and aiohttp. It passes on one request at a time, within time limits."""

import asyncio
import enum
import time
from collections.abc import Callable
from typing import Protocol

from pipeline.http.client_address import UNKNOWN
from pipeline.http.head import MAX_HEAD_BYTES, Head, RequestRefused
from pipeline.http.responses import refusal_bytes

END = b"\r\n\r\n"
#: A request's head must be complete this long after its first byte. TLS handshakes have the same limit.
HEAD_S = 5.0
#: A connection without a request is closed after this time.
IDLE_S = 15.0
#: A body may take this long in any case, and then as long as its rate is high enough. Uploads have further limits.
BODY_GRACE_S = 10.0
BODY_BYTES_PER_S = 32 * 1024
#: An answer takes a second, or somewhat longer if it waits for Redis or STUN servers.
ANSWER_S = 30.0
#: After a refusal, bytes that are still on their way are read and dropped for this long. Otherwise the client's system
#: would drop the refusal.
LINGER_S = 2.0
#: A refused body up to this size is skipped, so that the connection can go on.
MAX_SKIPPED_BYTES = 64 * 1024


class State(enum.Enum):
    IDLE = enum.auto()  # no part of a request has come
    HEAD = enum.auto()
    BODY = enum.auto()
    SKIP = enum.auto()  # in the body of a request that was refused
    ANSWER = enum.auto()  # the request is complete, but its answer is not
    CLOSING = enum.auto()


class Owner(Protocol):
    """The server of a connection."""

    def admit(self, head: Head, connection: "HttpConnection") -> None:
        """Admit a request and set the connection's client. Raises RequestRefused."""

    def refused(self, refused: RequestRefused) -> None:
        """Note that a request was refused."""

    def left(self, connection: "HttpConnection", reason: str) -> None:
        """Note that a connection has ended. `reason` is "" if the client or aiohttp closed it."""

    def answered(self, connection: "HttpConnection") -> None:
        """Note that the connection's request was answered."""

    def spent(self, cpu_s: float) -> None:
        """Note that HTTP took this much of the thread's processor time."""


class HttpConnection(asyncio.Protocol):
    """Passes admitted requests to aiohttp's protocol, each one only after the answer to the one before."""

    def __init__(self, owner: Owner, peer: str, inner: Callable[["HttpConnection"], asyncio.Protocol]) -> None:
        """`inner` makes aiohttp's protocol; it is called when the first request has been admitted."""
        self.peer, self.client, self.state = peer, UNKNOWN, State.IDLE
        self._owner, self._make_inner = owner, inner
        self.inner: asyncio.Protocol | None = None
        self.opening: asyncio.Task | None = None  # the task of the TLS handshake, while it lasts
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._left = self._received = 0  # how many bytes of the body are still to come, and how many have come
        self._is_answered = False
        self._since_s = time.monotonic()
        self.why = ""

    @property
    def is_waiting(self) -> bool:
        """Whether the connection waits for its client, so that closing it costs nobody an answer."""
        return self.state in (State.IDLE, State.HEAD, State.SKIP, State.CLOSING)

    def overdue(self, now_s: float) -> str | None:
        """Return why the connection should be closed now, or None."""
        elapsed_s = now_s - self._since_s
        if self.state is State.BODY:
            return "slow" if self._received < BODY_BYTES_PER_S * (elapsed_s - BODY_GRACE_S) else None
        limit_s, reason = {
            State.IDLE: (IDLE_S, "idle"),
            State.HEAD: (HEAD_S, "head"),
            State.SKIP: (BODY_GRACE_S, "slow"),
            State.ANSWER: (ANSWER_S, "answer"),
            State.CLOSING: (LINGER_S, "linger"),
        }[self.state]
        return reason if elapsed_s > limit_s else None

    def abort(self, reason: str) -> None:
        """Close at once, without an answer. The connection is counted under `reason`."""
        self.why = self.why or reason
        if self._transport:
            self._transport.abort()
        elif self.opening:
            self.opening.cancel()

    # Methods of asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self.why:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        began_s = time.thread_time()
        try:
            self._take(data)
        finally:
            self._owner.spent(time.thread_time() - began_s)

    def eof_received(self) -> None:
        """Return None, upon which the transport closes itself."""

    def connection_lost(self, error: Exception | None) -> None:
        if self.inner:
            self.inner.connection_lost(error)
        self.state = State.CLOSING
        self._owner.left(self, self.why)

    def pause_writing(self) -> None:
        if self.inner:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        if self.inner:
            self.inner.resume_writing()

    # Requests

    def answered(self) -> None:
        """Go on after aiohttp has sent its answer. A rest of the body, which aiohttp did not read, may still come."""
        self._is_answered = True
        if self.state is State.ANSWER:
            self._next()

    def _take(self, data: bytes) -> None:
        if self.state in (State.BODY, State.SKIP):
            data = self._take_body(data)
        if not data or self.state is State.CLOSING:
            return
        self._buffer += data
        if self.state is State.IDLE:
            self._enter(State.HEAD)
        if self.state is State.HEAD:
            self._take_head()
        elif len(self._buffer) > MAX_HEAD_BYTES:  # these requests came while the one before is being answered
            self.abort("pipelined")

    def _take_body(self, data: bytes) -> bytes:
        """Take the bytes that belong to the body, and return those after it."""
        body, rest = data[: self._left], data[self._left :]
        self._left -= len(body)
        self._received += len(body)
        is_skipped = self.state is State.SKIP
        if not self._left:
            self._enter(State.ANSWER)
        if self.inner and not is_skipped:
            self.inner.data_received(body)
        if not self._left and (is_skipped or self._is_answered):
            self._next()
        return rest

    def _take_head(self) -> None:
        end = self._buffer.find(END, 0, MAX_HEAD_BYTES + len(END))
        if end < 0 and len(self._buffer) <= MAX_HEAD_BYTES:
            return
        head, rest = bytes(self._buffer[:end]), bytes(self._buffer[end + len(END) :])
        request = None
        try:
            if end < 0:
                raise RequestRefused(431, "This request's headers are longer than any browser's.", "head")
            request = Head.parse(head)
            self._owner.admit(request, self)
        except RequestRefused as refused:
            self._buffer.clear()
            self._refuse(refused, request, rest)
        else:
            self._pass_on(request, head + END, rest)

    def _pass_on(self, request: Head, head: bytes, rest: bytes) -> None:
        body, self._buffer = rest[: request.length], bytearray(rest[request.length :])
        self._left, self._received, self._is_answered = request.length - len(body), len(body), False
        self._enter(State.BODY if self._left else State.ANSWER)
        if self.inner is None:
            assert self._transport is not None, "a request came, so there is a connection"
            self.inner = self._make_inner(self)
            self.inner.connection_made(self._transport)
        self.inner.data_received(head + body)

    def _refuse(self, refused: RequestRefused, request: Head | None, rest: bytes) -> None:
        """Answer with a refusal. The connection goes on only if the length of the body is known and short."""
        assert self._transport is not None, "a request came, so there is a connection"
        self._owner.refused(refused)
        if request is None or request.method == "HEAD" or not len(rest) <= request.length <= MAX_SKIPPED_BYTES:
            self._transport.write(refusal_bytes(refused, keep_alive=False))
            self._enter(State.CLOSING)
            if self._transport.can_write_eof():
                self._transport.write_eof()
            return
        self._transport.write(refusal_bytes(refused, keep_alive=True))
        self._left, self._received = request.length - len(rest), len(rest)
        if self._left:
            self._enter(State.SKIP)
        else:
            self._next()

    def _next(self) -> None:
        self._owner.answered(self)
        self._enter(State.IDLE)
        if self._buffer:
            self._enter(State.HEAD)
            self._take_head()

    def _enter(self, state: State) -> None:
        self.state, self._since_s = state, time.monotonic()
