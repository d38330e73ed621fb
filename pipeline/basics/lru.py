"""A cache of bounded size, which drops the value that was used least recently to make room for a new one."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Holds at most `limit` values. Putting and getting a value count as using it. It is not thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        """Return whether the key has a value. This does not count as using it."""
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        """Return the keys, the least recently used first."""
        return iter(self._values)

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None if it was never put or has been dropped."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Store a value, which replaces the one that the key had before."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)

    def discard(self, key: K) -> None:
        """Remove the value of a key, if it has one."""
        self._values.pop(key, None)

    def clear(self) -> None:
        self._values.clear()
