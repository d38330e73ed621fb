"""What must hold whatever a parser is given: it ends soon, takes little memory, and raises only what it documents.

A target is a function of bytes that returns for good and for refused input alike, and checks what only it knows. All
else is checked here, of each input: processor time, memory, what tasks and callbacks failed with, and what was logged.
"""

import asyncio
import contextlib
import functools
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from random import Random

#: Of processor time for one input: what an innocent client may wait. Nothing of ours takes a tenth of it.
MOST_CPU_S = 0.3
#: How often an input that took more of time or memory is tried again.
AGAIN = 2
#: The most by which the process' peak memory may grow for one input.
MOST_BYTES = 64 << 20
#: The address of the input's sender (RFC 5737), which no log may show.
PEER = ("203.0.113.7", 40_007)

Mutator = Callable[[bytes, Random], bytes]


class Finding(AssertionError):
    """An input that does something that no input may do."""


@dataclass(frozen=True, slots=True)
class Target:
    """`run` raises for a finding. `mutate` knows the input's grammar: lengths, checksums and signatures stay right."""

    name: str
    run: Callable[[bytes], object]
    mutate: Mutator | None = None
    max_bytes: int = 4096
    most_cpu_s: float = MOST_CPU_S
    most_bytes: int = MOST_BYTES


def check(target: Target, data: bytes) -> None:
    """Check one input. Raises Finding, or an exception that the target did not catch."""
    cost = _cost(target, data)
    if exceeded(cost, target):
        # The first run may have paid for what is no input's: a module's import, or a busy machine's pages.
        took_s, grown = zip(*(_cost(target, data) for _ in range(AGAIN)), strict=True)
        cost = min(took_s), min(grown)
    if finding := exceeded(cost, target):
        raise Finding(finding)


def exceeded(cost: tuple[float, int], target: Target) -> str:
    """What is too much of these seconds and bytes, or ""."""
    took_s, grown = cost
    if took_s > target.most_cpu_s:
        return f"took {took_s:.2f} s of processor time"
    return f"took {grown >> 20} MB" if grown > target.most_bytes else ""


def _cost(target: Target, data: bytes) -> tuple[float, int]:
    """The processor time in seconds and the growth of peak memory in bytes of one run; raises Finding for all else."""
    _forget_peak()
    peak, began_s = _peak_bytes(), time.process_time()
    with _quiet():
        target.run(data)
    return time.process_time() - began_s, _peak_bytes() - peak


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)


def _forget_peak() -> None:
    """Reset the peak of memory, if Linux allows it; otherwise only a new maximum is noticed."""
    if (file := _clear_refs(os.getpid())) is not None:
        os.pwrite(file, b"5", 0)


@functools.cache
def _clear_refs(process_id: int) -> int | None:
    try:
        return os.open(f"/proc/{process_id}/clear_refs", os.O_WRONLY)
    except OSError:
        return None


class _Listener(logging.Handler):
    """Keeps log lines that a stranger may not cause: warnings, traces, and lines that name the peer."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if record.levelno >= logging.WARNING or record.exc_info or PEER[0] in line:
            cause = f": {type(record.exc_info[1]).__name__}" if record.exc_info else ""
            self.found.append(f"{record.levelname} {record.name}: {record.msg:.200}{cause}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    listener, root = _Listener(), logging.getLogger()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.INFO)
    logging.getLogger("aioice").setLevel(logging.WARNING)  # as in workers.process.runtime
    try:
        yield
    finally:
        root.removeHandler(listener)
        root.setLevel(level)
    if listener.found:
        raise Finding(f"logged {listener.found[0]}")


def in_loop(function: Callable[[bytes], Coroutine]) -> Callable[[bytes], None]:
    """Have a target run in an event loop, in which it leaves no task behind and none fails unheard."""

    def run(data: bytes) -> None:
        loop, failed = _loop(os.getpid()), []
        loop.set_exception_handler(lambda _, context: failed.append(context))
        loop.run_until_complete(_alone(function(data)))
        if failed:
            raise Finding(f"nobody heard: {failed[0]['message']}") from failed[0].get("exception")

    return run


async def _alone(coroutine: Coroutine) -> None:
    """What is no task's end within ten seconds has none."""
    try:
        async with asyncio.timeout(10):
            await coroutine
        for _ in range(3):
            await asyncio.sleep(0)
    finally:  # the next input starts with nothing of this one
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
    if left:
        raise Finding(f"leaves behind {sorted({task.get_coro().__qualname__ for task in left})}")


@functools.cache
def _loop(process_id: int) -> asyncio.AbstractEventLoop:
    """The event loop, one per process; a fork has its own."""
    return asyncio.new_event_loop()
