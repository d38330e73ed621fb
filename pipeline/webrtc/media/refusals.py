"""Counts the packets, candidates and chunks that are refused."""

import contextlib
from collections.abc import Iterator

from prometheus_client import Counter

#: The counter of this process's gateway, while the patches are installed.
_counter: Counter | None = None


def count(reason: str) -> None:
    """Count one refusal, whose reason is one of metrics.REFUSALS.

    A peer decides how often this happens, so it is not logged.
    """
    if _counter is not None:
        _counter.labels(reason).inc()


@contextlib.contextmanager
def counted_in(counter: Counter | None) -> Iterator[None]:
    """Have refusals inside the `with` block counted in `counter`."""
    global _counter
    before, _counter = _counter, counter
    try:
        yield
    finally:
        _counter = before
