"""Coroutines of aiortc that wait for nothing, run where nobody can wait."""

from collections.abc import Coroutine


def run_without_suspending(coroutine: Coroutine) -> None:
    """Run a coroutine to its end that waits for nothing: RTCP, which it may send, leaves at once."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("a packet's handler waits for something; this aiortc is not the one it was written for")
