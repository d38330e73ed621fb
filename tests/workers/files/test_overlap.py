"""Stages that work at the same time."""

import threading
from collections.abc import Generator
from contextlib import closing
from itertools import count

import pytest

from workers.files.overlap import ahead


def stage_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name in ("numbers", "squares")]


class Stage:
    """A generator of numbers that knows how far it is, and whether it was closed."""

    def __init__(self, *, until: int | None = None, fails: bool = False) -> None:
        self.made, self.closed = 0, threading.Event()
        self.reached = threading.Event()
        self._until, self._fails = until, fails

    def numbers(self) -> Generator[int]:
        try:
            for number in count():
                if number == self._until:
                    self.reached.set()
                    if self._fails:
                        raise OSError("no more")
                    return
                self.made += 1
                yield number
        finally:
            self.closed.set()


def test_items_come_in_order_from_another_thread():
    def numbers() -> Generator[str]:
        for _ in range(3):
            yield threading.current_thread().name

    assert list(ahead(numbers(), 2)) == ["numbers"] * 3


def test_a_stage_works_while_its_items_are_not_taken():
    stage = Stage(until=3)

    with closing(ahead(stage.numbers(), 8)) as items:
        assert next(items) == 0
        assert stage.reached.wait(10), "it goes on by itself"


def test_only_so_many_items_are_made_in_advance():
    stage = Stage()
    with closing(ahead(stage.numbers(), 2)) as items:
        for taken in range(50):
            assert next(items) == taken
            assert stage.made <= taken + 1 + 2 + 1, "those taken, two that wait, and one in the stage's hands"


def test_an_error_comes_after_the_items_before_it():
    items = ahead(Stage(until=2, fails=True).numbers(), 8)

    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(OSError, match="no more"):
        next(items)


def squares(numbers: Generator[int]) -> Generator[int]:
    with closing(numbers):
        for number in numbers:
            yield number * number


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_closing_the_last_stage_ends_all_threads(taken: int):
    stage = Stage()
    items = ahead(squares(ahead(stage.numbers(), 2)), 2)

    with closing(items):
        assert [next(items) for _ in range(taken)] == [number**2 for number in range(taken)]

    assert not stage_threads()
    assert stage.closed.is_set() or not taken


def test_an_error_in_one_stage_ends_all():
    def refused(numbers: Generator[int]) -> Generator[int]:
        with closing(numbers):
            for number in numbers:
                if number == 3:
                    raise ValueError("three")
                yield number

    stage = Stage()

    with pytest.raises(ValueError, match="three"):
        list(ahead(squares(ahead(refused(ahead(stage.numbers(), 1)), 1)), 1))

    assert not stage_threads() and stage.closed.is_set()
