"""Receives the bodies of uploads, within limits on bytes, connections and time.

Where room is short, the slowest body of the address that holds most bytes is dropped. A fast upload is therefore never
refused because of slow ones.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from pipeline.contract.errors import Busy, TooLarge, TooSlow
from pipeline.pictures.header_limits import MAX_STYLE_BYTES, MILLION

#: This is the limit on all bodies together, including complete ones that wait for their turn to be decoded.
MAX_HELD_BYTES = 24 * MILLION
#: A connection costs memory even before it has sent anything. The second limit is for each address.
MAX_BODIES, MAX_BODIES_EACH = 48, 12
#: No body is dropped as slow before it has had this much time.
GRACE_S = 1.0
#: An upload that sends nothing for this long is ended. A telephone needs less to change cells.
IDLE_S = 8.0
#: This limits the whole upload. 10 MB in this time need 1.3 Mbit/s; what the page sends needs a fiftieth of that.
WHOLE_S = 60.0
TOO_LARGE = f"The picture is larger than {MAX_STYLE_BYTES // MILLION} MB."
CROWDED = "Too many pictures are on their way here; try again in a moment."


@dataclass(eq=False, slots=True)
class Body:
    """The body of one upload. Calling `cut` ends its reader with TimeoutError."""

    address: str
    began_s: float
    cut: Callable[[], None]
    data: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def bytes_a_second(self, now_s: float) -> float:
        return len(self.data) / max(GRACE_S, now_s - self.began_s)


def slowest(bodies: Collection[Body], now_s: float) -> Body | None:
    """Return the body that should be dropped: the slowest unfinished one of the address that holds most bytes.

    Returns None if that address has none which is older than GRACE_S.
    """
    if not bodies:
        return None
    held: Counter[str] = Counter()
    count = Counter(body.address for body in bodies)
    for body in bodies:
        held[body.address] += len(body.data)
    greediest = max(count, key=lambda address: (held[address], count[address]))
    late = [
        body for body in bodies if body.address == greediest and not body.complete and now_s - body.began_s >= GRACE_S
    ]
    return min(late, key=lambda body: body.bytes_a_second(now_s), default=None)


class Bodies:
    """All uploads that one gateway is receiving."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bodies: set[Body] = set()

    @property
    def held_bytes(self) -> int:
        return sum(len(body.data) for body in self._bodies)

    @contextlib.asynccontextmanager
    async def received(self, request: web.BaseRequest, address: str) -> AsyncIterator[bytearray]:
        """Receive a whole body; it counts towards the limits until the `with` block ends.

        Raises Busy, TooLarge and TooSlow.
        """
        if (request.content_length or 0) > MAX_STYLE_BYTES:
            raise TooLarge(TOO_LARGE)
        limit = asyncio.timeout(IDLE_S)
        loop = asyncio.get_running_loop()
        body = Body(address, self._clock(), cut=lambda: limit.reschedule(loop.time()))
        self._admit(body)
        try:
            try:
                async with limit:
                    await self._receive(request.content, body, limit)
            except TimeoutError:
                raise TooSlow("The picture took too long to arrive; try again with a better connection.") from None
            yield body.data
        finally:
            self._bodies.discard(body)

    def _admit(self, body: Body) -> None:
        same = [other for other in self._bodies if other.address == body.address]
        if len(same) >= MAX_BODIES_EACH:
            self._make_room(same)
        elif len(self._bodies) >= MAX_BODIES:
            self._make_room(self._bodies)
        self._bodies.add(body)

    async def _receive(self, content: aiohttp.StreamReader, body: Body, limit: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + WHOLE_S
        while part := await content.readany():
            if len(body.data) + len(part) > MAX_STYLE_BYTES:
                raise TooLarge(TOO_LARGE)
            while body in self._bodies and self.held_bytes + len(part) > MAX_HELD_BYTES:
                self._make_room(self._bodies)
            if body not in self._bodies:  # this body was the one that was dropped
                raise TimeoutError
            body.data += part
            limit.reschedule(min(loop.time() + IDLE_S, end_s))
        body.complete = True

    def _make_room(self, among: Collection[Body]) -> None:
        victim = slowest(among, self._clock())
        if victim is None:
            raise Busy(CROWDED)
        self._bodies.discard(victim)
        victim.data.clear()
        victim.cut()
