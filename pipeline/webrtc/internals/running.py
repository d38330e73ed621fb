"""Runs those coroutines of aiortc that never wait from code that cannot await."""

from collections.abc import Coroutine


def run_without_suspending(coroutine: Coroutine) -> None:
    """Run a coroutine to its end in this call; raises RuntimeError if it waits for anything.

    aiortc's handlers of packets are coroutines only because they may send, and sending never waits.
    """
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("a packet's handler waits for something; this aiortc is not the one it was written for")
