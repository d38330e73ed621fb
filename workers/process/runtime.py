"""What every role does first: log to stderr, and die with the process that started it."""

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from pipeline.contract.redaction import redact
from pipeline.contract.settings import Settings

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
#: Looked up here: between fork and exec, beside other threads, nothing may be loaded.
PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
#: The lowest priority there is.
NICENESS = 19


class RedactedFormatter(logging.Formatter):
    """Writes every record, and every trace, without secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = frozenset(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self._secrets)


def set_up_logging(verbose: bool) -> None:
    """Log to stderr, and have exceptions that nobody caught logged as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactedFormatter(Settings.secrets()))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
    sys.excepthook = lambda *error: logger.critical("this process ends", exc_info=error)
    threading.excepthook = lambda of: logger.critical(
        "thread %s ends", of.thread and of.thread.name, exc_info=of.exc_value
    )


def say_ready(sentence: str) -> None:
    """What a role prints once it does what it is there for; while it cannot, its log says why."""
    print(sentence, flush=True)


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel end this process when its parent dies, however it dies. Linux only; elsewhere nothing happens.

    By SIGKILL, since a part that is stopped or hangs hears nothing else.
    """
    if PRCTL:
        PRCTL(PR_SET_PDEATHSIG, number)


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
