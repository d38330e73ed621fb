"""Keeps a long history of a number in little memory: each kept value stands for several that were recorded."""

from collections import deque
from collections.abc import Callable, Sequence


class CoarseSeries:
    """The last values of a number, of which each stands for a group. Unknown values are None."""

    def __init__(self, groups: int, group_size: int, merge: Callable[[Sequence[float]], float]) -> None:
        """At most `groups` values are kept; `merge` makes one of up to `group_size` known values."""
        self._kept: deque[float | None] = deque(maxlen=groups)
        self._group: list[float | None] = []
        self._group_size, self._merge = group_size, merge

    def record(self, value: float | None) -> None:
        self._group.append(value)
        if len(self._group) == self._group_size:
            self._kept.append(self._merged())
            self._group = []

    def values(self) -> list[float | None]:
        """Return the kept values, oldest first; the last one stands for the group that is not full yet."""
        if not self._group:
            return list(self._kept)
        return [*self._kept, self._merged()][-(self._kept.maxlen or 0) :]

    def _merged(self) -> float | None:
        known = [value for value in self._group if value is not None]
        return self._merge(known) if known else None
