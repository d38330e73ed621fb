"""Pre-fork: a process that has imported everything forks the one that works, and another when that one is killed."""
import gc
import logging
import os
import signal
import sys
import time

from workers.runtime import die_with_parent

logger = logging.getLogger(__name__)

ASKED_TO_STOP = {signal.SIGTERM, signal.SIGINT}
HEARD = {*ASKED_TO_STOP, signal.SIGCHLD, signal.SIGALRM}
#: A worker needs less than one second to leave; while Redis is away RQ would wait for ever to say goodbye to it.
LEAVE_S = 1.5
#: Who is killed sooner after its start, the next one would be as well.
SHORT_LIFE_S = 1.0


def prefork() -> None:
    """Returns in a forked process, which dies with this one; this one stays here, and forks the next without delay.

    It ends as the forked process did, unless a signal killed that one that nobody had sent to this one: that is what
    the kernel does when memory is short, or a library crashes. Who is asked to stop has LEAVE_S for it. To be called
    before any thread is started.
    """
    gc.freeze()  # so that nobody writes to what both share
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    while True:
        born_s, pid = time.monotonic(), os.fork()
        if pid == 0:
            die_with_parent(signal.SIGKILL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
            return
        code, asked = _until_dead(pid)
        if asked or code >= 0 or time.monotonic() - born_s < SHORT_LIFE_S:
            sys.exit(code if code >= 0 else 128 - code)
        logger.warning("the worker was killed by signal %s, forking another", -code)


def _until_dead(pid: int) -> tuple[int, bool]:
    """Exit code, negative for a signal, and whether somebody asked this process to stop; it is told to the other."""
    asked = False
    while True:
        number = signal.sigwait(HEARD)
        if number in ASKED_TO_STOP:
            asked = True
            os.kill(pid, number)
            signal.setitimer(signal.ITIMER_REAL, LEAVE_S)
        elif number == signal.SIGALRM:
            os.kill(pid, signal.SIGKILL)
        elif (ended := os.waitpid(pid, os.WNOHANG))[0]:
            return os.waitstatus_to_exitcode(ended[1]), asked
