"""Lets the stages of a conversion work at the same time, each in a thread of its own."""

from collections import deque
from collections.abc import Generator, Iterator
from threading import Condition, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


def ahead(items: Generator[Item], most: int) -> Generator[Item]:
    """The same items, which a thread makes in advance, at most `most` of them.

    An error of `items` is raised here after the items that came before it. When this generator ends or is closed, the
    thread has ended, and `items` is closed.
    """
    stage = _Stage(items, most)
    try:
        yield from stage.results()
    finally:
        stage.end()


class _Stage(Generic[Item]):
    """A thread that makes items until there are no more, or until it is ended."""

    def __init__(self, items: Generator[Item], most: int) -> None:
        self._items, self._most = items, most
        self._ready: deque[Item] = deque()
        self._changed = Condition()
        self._is_done = self._is_ended = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name=getattr(items, "__name__", "stage"))
        self._thread.start()

    def results(self) -> Iterator[Item]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._is_done)
                if not self._ready:
                    break
                item = self._ready.popleft()
                self._changed.notify_all()
            yield item
            del item  # so that a frame is let go while the next one is awaited
        if self._error:
            raise self._error

    def end(self) -> None:
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()
        self._thread.join()
        self._ready.clear()

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._handed_over(item):
                    break
                del item
        except BaseException as error:
            self._error = error
        finally:
            self._items.close()
            with self._changed:
                self._is_done = True
                self._changed.notify_all()

    def _handed_over(self, item: Item) -> bool:
        """Wait until there is room for the item; return False if the stage was ended instead."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < self._most or self._is_ended)
            self._ready.append(item)
            self._changed.notify_all()
            return not self._is_ended
