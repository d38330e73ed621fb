"""A fair queue for work of which only a few pieces may run at once.

The addresses take turns, however many requests each of them has waiting.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator

from pipeline.contract.errors import Busy

FULL = "Too many pictures wait to be read; try again in a moment."


class Turns:
    """Lets `at_once` requests work at a time; `waiting` more may wait, `waiting_each` of one address, for `wait_s`."""

    def __init__(self, *, at_once: int, waiting: int, waiting_each: int, wait_s: float) -> None:
        self._free, self._waiting, self._waiting_each, self._wait_s = at_once, waiting, waiting_each, wait_s
        self._lines: OrderedDict[str, deque[asyncio.Future]] = OrderedDict()

    @contextlib.asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it inside the `with` block. Raises Busy if the queue is full or `wait_s` passes."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(address)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, address: str) -> None:
        if sum(map(len, self._lines.values())) >= self._waiting:
            raise Busy(FULL)
        line = self._lines.setdefault(address, deque())
        if len(line) >= self._waiting_each:
            raise Busy(FULL)
        place = asyncio.get_running_loop().create_future()
        line.append(place)
        try:
            async with asyncio.timeout(self._wait_s):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():  # the turn came at the same moment, so the next one gets it
                self._pass_on()
            else:
                self._leave(address, place)
            if isinstance(error, TimeoutError):
                raise Busy(FULL) from None
            raise

    def _leave(self, address: str, place: asyncio.Future) -> None:
        line = self._lines[address]
        line.remove(place)
        if not line:
            del self._lines[address]

    def _pass_on(self) -> None:
        if not self._lines:
            self._free += 1
            return
        address, line = self._lines.popitem(last=False)
        line.popleft().set_result(None)
        if line:
            self._lines[address] = line  # this address goes behind all others
