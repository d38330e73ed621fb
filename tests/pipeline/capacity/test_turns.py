"""Turns at the edge, in a world where workers take a fixed time for each key frame."""

import heapq
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.capacity.turns import PLACE_S, EdgeWindow, KeyFrameTurns

WORK_S, TRANSIT_S = 0.03, 0.008


class World:
    """Streams that want a key frame as often as they may, and an edge of some workers."""

    def __init__(self, workers: int, wishes_per_s: dict[str, float]) -> None:
        self.turns, self.now_s, self.served = KeyFrameTurns(), 0.0, Counter()
        self.queued_s: list[float] = []
        self._numbers = count()
        self._free_s = [0.0] * workers
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        for n, (name, per_s) in enumerate(wishes_per_s.items()):
            self._at(n / len(wishes_per_s) / per_s, partial(self._wish, name, 1 / per_s))

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self._events and self._events[0][0] <= end_s:
            self.now_s, _, event = heapq.heappop(self._events)
            event()
            self.turns.advance(self.now_s)
        self.now_s = end_s

    def _at(self, at_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._numbers), event))

    def _wish(self, name: str, every_s: float) -> None:
        self.turns.join(name, partial(self._send, name), self.now_s)
        self._at(self.now_s + every_s, partial(self._wish, name, every_s))

    def _send(self, name: str, now_s: float) -> None:
        arrives_s = now_s + TRANSIT_S
        worker = min(range(len(self._free_s)), key=self._free_s.__getitem__)
        begins_s = max(arrives_s, self._free_s[worker])
        self._free_s[worker] = begins_s + WORK_S
        self._at(begins_s + WORK_S, partial(self._answer, name, begins_s - arrives_s))

    def _answer(self, name: str, queued_s: float) -> None:
        self.served[name] += 1
        self.queued_s.append(queued_s)
        self.turns.answered(name, queued_s=queued_s, worked_s=WORK_S)


@pytest.mark.parametrize("workers", [1, 2, 4, 16])
@pytest.mark.parametrize("load", [1.5, 3.0])
def test_past_capacity_the_workers_are_busy_and_nothing_waits_long_at_the_edge(workers, load):
    streams = 20 * workers
    world = World(workers, {str(n): load * workers / WORK_S / streams for n in range(streams)})
    world.run(3)
    world.served.clear()
    world.queued_s.clear()
    world.run(10)

    answered, most = world.served.total(), 10 * workers / WORK_S
    assert answered >= 0.95 * most
    assert sum(world.queued_s) / answered < 2 * WORK_S
    assert max(world.queued_s) < 5 * WORK_S
    assert max(world.served.values()) - min(world.served.values()) <= 1


def test_below_capacity_nobody_waits():
    world = World(1, {str(n): 2.0 for n in range(8)})
    world.run(10)

    assert world.served.total() == pytest.approx(160, abs=8)
    assert world.turns.wait_s(world.now_s) < WORK_S


def test_a_greedy_stream_takes_nothing_from_a_modest_one():
    world = World(1, {"greedy": 100.0, **{str(n): 2.0 for n in range(8)}})
    world.run(20)

    assert all(world.served[str(n)] >= 38 for n in range(8))
    assert world.served["greedy"] > 200


def test_whoever_had_no_turn_for_longest_is_next():
    turns, taken = KeyFrameTurns(EdgeWindow(1.0)), []
    for name in "abc":
        turns.join(name, lambda now_s, name=name: taken.append(name), 0.0)
    turns.advance(0.0)
    turns.join("a", lambda now_s: taken.append("a"), 0.1)
    for _ in range(3):
        turns.give_back(taken[-1])
        turns.advance(0.2)

    assert taken == ["a", "b", "c", "a"]


def test_a_place_whose_worker_died_is_free_again_after_a_while():
    turns, taken = KeyFrameTurns(EdgeWindow(1.0)), []
    for name in "ab":
        turns.join(name, lambda now_s, name=name: taken.append(name), 0.0)

    turns.advance(0.0)
    turns.advance(PLACE_S - 0.1)
    assert taken == ["a"]
    turns.advance(PLACE_S)
    assert taken == ["a", "b"]
    assert not turns.give_back("a")


def test_a_stream_that_ends_leaves_its_places_and_its_turn_to_others():
    turns, taken = KeyFrameTurns(EdgeWindow(1.0)), []
    for name in "abc":
        turns.join(name, lambda now_s, name=name: taken.append(name), 0.0)
    turns.advance(0.0)

    turns.leave("a")
    turns.leave("b")
    turns.advance(0.1)

    assert taken == ["a", "c"] and turns.waiting == 0


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(1e-6, 1), st.booleans()), max_size=200))
def test_the_window_always_lets_one_through(answers):
    window = EdgeWindow()
    for queued_s, worked_s, was_full in answers:
        window.answered(queued_s=queued_s, worked_s=worked_s, was_full=was_full)
        assert 1 <= window.size <= 256
