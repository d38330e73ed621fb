"""A cache of bounded size: the value that was used least recently makes room for a new one."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Holds at most `limit` values. To put a value or to get it is to use it. Not for several threads at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        """Whether there is a value. To ask is not to use it."""
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        """The keys, least recently used first."""
        return iter(self._values)

    def get(self, key: K) -> V | None:
        """The value of a key, or None if it was never put or has made room."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Hold a value, in the place of what the key had before."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)

    def discard(self, key: K) -> None:
        """Hold no value of this key any longer."""
        self._values.pop(key, None)

    def clear(self) -> None:
        self._values.clear()
