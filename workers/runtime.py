"""What every role does first: log to stderr, and die with the process that started it."""
import contextlib
import ctypes
import logging
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
#: The lowest priority there is.
NICENESS = 19


def set_up_logging(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr,
    )


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel end this process when its parent dies, however it dies. Linux only; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def give_way() -> None:
    """Have this process run only on what the others leave of the processor."""
    os.nice(NICENESS)
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        if os.getsid(0) == os.getpid():
            lower_session()


def lower_session() -> None:
    """Linux shares the processor among sessions first, autogroups of sched(7): one nice process is not enough."""
    with contextlib.suppress(OSError):  # not every kernel does
        Path("/proc/self/autogroup").write_text(str(NICENESS))
