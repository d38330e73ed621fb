"""Sets up what every role needs of its process: its log on stderr, its priority, and its end with its parent."""

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
#: This is looked up now because nothing may be loaded between fork and exec in a process with threads.
PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
#: This is the lowest priority.
NICENESS = 19


class RedactedFormatter(logging.Formatter):
    """Formats log records and stack traces without the secrets in them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = frozenset(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self._secrets)


def set_up_logging(verbose: bool) -> None:
    """Log to stderr, including exceptions that nobody catches."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactedFormatter(Settings.secrets()))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
    sys.excepthook = lambda *error: logger.critical("this process ends", exc_info=error)
    threading.excepthook = lambda of: logger.critical(
        "thread %s ends", of.thread and of.thread.name, exc_info=of.exc_value
    )


def say_ready(sentence: str) -> None:
    """Print on stdout that a role has begun its work. While a role cannot work, its log says why."""
    print(sentence, flush=True)


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent dies. Outside of Linux nothing happens.

    The default is SIGKILL, since a process that hangs or was stopped does not react to any other signal.
    """
    if PRCTL:
        PRCTL(PR_SET_PDEATHSIG, number)


def run_at_idle_priority() -> None:
    """Have this process use only processor time that no other process wants."""
    os.nice(NICENESS)
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        if os.getsid(0) == os.getpid():
            lower_session()


def lower_session() -> None:
    """Lower the priority of this process's session, for Linux divides the processor among sessions first.

    See autogroups in sched(7).
    """
    with contextlib.suppress(OSError):  # not every kernel has autogroups
        Path("/proc/self/autogroup").write_text(str(NICENESS))
