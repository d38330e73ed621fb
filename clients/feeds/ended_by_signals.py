"""Lets Ctrl-C and SIGTERM end the process at once, while FFmpeg opens something and holds the interpreter's lock."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """In this context, both signals do what the system does by itself. Only in the main thread has this an effect.

    Python's own handlers would wait for the lock, and FFmpeg for a server that took the connection and says nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
