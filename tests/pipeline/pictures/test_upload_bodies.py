"""Uploads are bounded in bytes, in number and in time, and slow ones make room for quick ones."""

import asyncio

import pytest

from pipeline.contract.errors import Busy, TooLarge, TooSlow
from pipeline.pictures import upload_bodies
from pipeline.pictures.upload_bodies import Bodies, Body, slowest
from support.webrtc.peers import until

PART = bytes(1_000_000)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Sent:
    """A request whose body a test puts in, piece by piece; None ends it."""

    def __init__(self, content_length: int | None = None) -> None:
        self.content_length, self.content = content_length, self
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.send = self._parts.put_nowait

    async def readany(self) -> bytes:
        return await self._parts.get() or b""


class Uploads:
    """Bodies, and a task for each that is received."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bodies = Bodies(self.clock)

    def begin(self, address: str, megabytes: int = 0, *, whole: bool = False) -> tuple[Sent, asyncio.Task]:
        sent = Sent()
        for _ in range(megabytes):
            sent.send(PART)
        if whole:
            sent.send(None)
        return sent, asyncio.create_task(self._receive(sent, address))

    async def _receive(self, sent: Sent, address: str) -> int:
        async with self.bodies.received(sent, address) as data:
            return len(data)

    async def holds(self, megabytes: int) -> None:
        await until(lambda: self.bodies.held_bytes == megabytes * len(PART))


def cut() -> None:
    pass


def body(address: str, *, began_s: float, size: int, complete: bool = False) -> Body:
    return Body(address, began_s, cut, bytearray(size), complete)


def test_of_the_address_that_holds_most_the_slowest_gives_way():
    quick, slow = body("a", began_s=90, size=9000), body("a", began_s=90, size=5000)
    innocent = body("b", began_s=10, size=100)

    assert slowest([quick, slow, innocent], now_s=100) is slow


def test_whoever_has_just_begun_or_is_complete_does_not_give_way():
    assert slowest([body("a", began_s=99.5, size=1), body("a", began_s=0, size=1, complete=True)], now_s=100) is None
    assert slowest([], now_s=100) is None


async def test_a_body_is_received_and_forgotten():
    uploads_ = Uploads()
    _, task = uploads_.begin("a", 3, whole=True)

    assert await task == 3 * len(PART)
    assert uploads_.bodies.held_bytes == 0


@pytest.mark.parametrize("content_length", [None, 10_000_001])
async def test_more_bytes_than_allowed_are_refused_as_soon_as_they_show(content_length):
    sent = Sent(content_length)
    if content_length is None:
        for _ in range(11):
            sent.send(PART)

    with pytest.raises(TooLarge):
        async with Bodies().received(sent, "a"):
            pass


async def test_unfinished_bodies_of_one_address_never_hold_more_than_the_limit_and_others_still_come_through():
    """Before, 60 unfinished uploads of 8 MB held 511 MB."""
    ours = Uploads()
    hoarders = []
    for _ in range(60):
        hoarders.append(ours.begin("greedy", 8)[1])
        await asyncio.sleep(0)
    await until(lambda: ours.bodies.held_bytes >= 20_000_000 or all(task.done() for task in hoarders))
    assert ours.bodies.held_bytes <= upload_bodies.MAX_HELD_BYTES
    ours.clock.now_s += 2.0

    _, honest = ours.begin("honest", 8, whole=True)

    assert await honest == 8 * len(PART)
    assert ours.bodies.held_bytes <= upload_bodies.MAX_HELD_BYTES
    for task in hoarders:
        task.cancel()
    results = await asyncio.gather(*hoarders, return_exceptions=True)
    assert {type(result) for result in results} <= {Busy, TooSlow, asyncio.CancelledError}
    assert ours.bodies.held_bytes == 0


async def test_one_address_cannot_take_all_places():
    ours = Uploads()
    tasks = [ours.begin("greedy", 0)[1] for _ in range(upload_bodies.MAX_BODIES_EACH + 5)]
    await until(lambda: sum(task.done() for task in tasks) == 5)

    _, honest = ours.begin("honest", 1, whole=True)

    assert await honest == len(PART)
    assert all(isinstance(task.exception(), Busy) for task in tasks if task.done())
    for task in tasks:
        task.cancel()


async def test_where_all_places_are_taken_the_slowest_gives_way_after_its_grace():
    ours = Uploads()
    tasks = [ours.begin(f"address {i}", 0)[1] for i in range(upload_bodies.MAX_BODIES)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await ours.begin("too soon", 1, whole=True)[1]
    ours.clock.now_s += 2.0

    _, honest = ours.begin("honest", 1, whole=True)

    assert await honest == len(PART)
    await until(lambda: sum(task.done() for task in tasks) == 1)
    for task in tasks:
        task.cancel()
    assert TooSlow in {type(r) for r in await asyncio.gather(*tasks, return_exceptions=True)}


async def test_a_body_that_stands_still_is_cut_off(monkeypatch):
    monkeypatch.setattr(upload_bodies, "IDLE_S", 0.01)
    sent, task = Uploads().begin("a", 1)

    with pytest.raises(TooSlow):
        await task


async def test_a_body_that_drips_is_cut_off(monkeypatch):
    monkeypatch.setattr(upload_bodies, "WHOLE_S", 0.02)
    sent, task = Uploads().begin("a", 1)

    with pytest.raises(TooSlow):
        while not task.done():
            sent.send(b"x")
            await asyncio.sleep(0.005)
        await task


async def test_the_body_that_asks_for_too_much_may_be_the_one_that_gives_way():
    ours = Uploads()
    slow, slow_task = ours.begin("a", 9)
    _, other_task = ours.begin("a", 9)
    await ours.holds(18)
    ours.clock.now_s += 1.5
    _, third_task = ours.begin("a", 6)
    await ours.holds(24)
    ours.clock.now_s += 100
    slow.send(PART)

    await until(lambda: any(task.done() for task in (slow_task, other_task, third_task)))

    assert ours.bodies.held_bytes <= upload_bodies.MAX_HELD_BYTES
    for task in (slow_task, other_task, third_task):
        task.cancel()
    await asyncio.gather(slow_task, other_task, third_task, return_exceptions=True)
    assert ours.bodies.held_bytes == 0
