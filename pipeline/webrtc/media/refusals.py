"""Where packets, candidates and chunks that are refused are counted."""

import contextlib
from collections.abc import Iterator

from prometheus_client import Counter

#: Of the gateway of this process, while its patches are installed.
_counter: Counter | None = None


def count(reason: str) -> None:
    """One is refused, for one of metrics.REFUSALS. A peer decides how often this happens, so there is no log line."""
    if _counter is not None:
        _counter.labels(reason).inc()


@contextlib.contextmanager
def counted_in(counter: Counter | None) -> Iterator[None]:
    global _counter
    before, _counter = _counter, counter
    try:
        yield
    finally:
        _counter = before
