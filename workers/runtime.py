"""What every role does first: log to stderr, and die with the process that started it."""
import ctypes
import logging
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
#: The lowest priority there is.
NICENESS = 19


def set_up_logging(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr,
    )


def die_with_parent() -> None:
    """Have the kernel end this process when its parent dies, however it dies. Linux only; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def give_way() -> None:
    """Have this process run only on what the others leave of the processor."""
    os.nice(NICENESS)
