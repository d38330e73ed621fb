import asyncio

import pytest

from pipeline.contract.errors import Busy
from pipeline.pictures.fair_queue import Turns


class Line:
    """Requests that work until the test lets them go; `order` is that of their turns."""

    def __init__(self, **limits: object) -> None:
        self.turns = Turns(**{"at_once": 1, "waiting": 8, "waiting_each": 4, "wait_s": 60.0, **limits})
        self.order: list[str] = []
        self.gate = asyncio.Semaphore(0)

    async def come(self, name: str) -> asyncio.Task:
        task = asyncio.create_task(self._work(name))
        for _ in range(3):
            await asyncio.sleep(0)
        return task

    async def _work(self, name: str) -> None:
        async with self.turns.turn(name[0]):
            self.order.append(name)
            await self.gate.acquire()

    def let_go(self, count: int) -> None:
        for _ in range(count):
            self.gate.release()


async def test_addresses_take_turns_however_many_requests_one_has_waiting():
    line = Line()
    tasks = [await line.come(name) for name in ("a1", "a2", "a3", "a4", "b1", "c1")]

    line.let_go(6)
    await asyncio.gather(*tasks)

    assert line.order == ["a1", "a2", "b1", "c1", "a3", "a4"]


async def test_no_more_work_at_once_than_is_allowed():
    line = Line(at_once=2)
    tasks = [await line.come(name) for name in ("a1", "b1", "c1")]

    assert line.order == ["a1", "b1"]

    line.let_go(3)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("names", [["a"] * 6, [*"abcdefghij"]])
async def test_a_full_line_is_said_at_once(names):
    line = Line()
    tasks = [await line.come(name) for name in names]

    with pytest.raises(Busy):
        await tasks[-1]

    line.let_go(len(names))
    await asyncio.gather(*tasks[:-1])


async def test_a_line_that_does_not_move_is_left():
    line = Line(wait_s=0.01)
    first, second = await line.come("a"), await line.come("b")

    with pytest.raises(Busy):
        await second

    line.let_go(2)
    await first
    await (await line.come("c"))


async def test_whoever_leaves_the_line_or_fails_takes_no_turn_along():
    line = Line()
    tasks = [await line.come(name) for name in ("a1", "a2", "b1")]
    tasks[1].cancel()
    tasks[0].cancel()
    await asyncio.gather(*tasks[:2], return_exceptions=True)

    line.let_go(2)
    await tasks[2]
    await (await line.come("c1"))

    assert line.order == ["a1", "b1", "c1"]
