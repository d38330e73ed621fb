"""Pre-fork: a process that has imported everything forks the one that works, and another when that one is killed."""

import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable

from workers.process.liveness import CHECK_S, Pulse, Silence, drain, pair
from workers.process.runtime import die_with_parent

logger = logging.getLogger(__name__)

ASKED_TO_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
HEARD = {*ASKED_TO_STOP, signal.SIGCHLD, signal.SIGALRM}
#: A worker needs less than one second to leave; while Redis is away RQ would wait for ever to say goodbye to it.
LEAVE_S = 1.5
#: If a worker is killed sooner after its start than this, the next one would be, too.
SHORT_LIFE_S = 1.0
#: A worker's first sign of life may take this long: it fetches and warms up its model, maybe on a busy machine.
START_S = 45.0
#: Longer than any job may take (pipeline.contract.redis_keys.JOB_TIMEOUT_S), and than the wait for a Redis that hangs.
SILENCE_S = 8.0


def prefork(on_successor: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """Returns in a forked process, which dies with this one; this one stays here, and forks the next without delay.

    What it returns is to be called by the worker's main loop: a worker that does not for SILENCE_S, be it stopped or
    hung, is killed. This process ends as the forked one did, unless a signal killed that one that nobody had sent to
    this one: that is what the kernel does when memory is short, or a library crashes. Who is asked to stop has LEAVE_S
    for it. To be called before any thread is started. `on_successor` is called in a process that follows a killed one.
    """
    gc.freeze()  # so that nobody writes to what both share
    pulse, is_first = Pulse.of_environment(), True
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    while True:
        listener, teller = pair()
        born_s, pid = time.monotonic(), os.fork()
        if pid == 0:
            die_with_parent(signal.SIGKILL)
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
            if not is_first:
                on_successor()
            return Pulse([teller]).beat
        teller.close()
        code, asked = _until_dead(pid, listener, pulse)
        listener.close()
        if asked or code >= 0 or time.monotonic() - born_s < SHORT_LIFE_S:
            sys.exit(code if code >= 0 else 128 - code)
        logger.warning("the worker was killed by signal %s, forking another", -code)
        is_first = False


def _until_dead(pid: int, listener: socket.socket, pulse: Pulse) -> tuple[int, bool]:
    """Exit code, negative for a signal, and whether somebody asked this process to stop; it is told to the other."""
    silence = Silence(time.monotonic(), start_s=START_S, limit_s=SILENCE_S)
    leave_at_s = float("inf")
    signal.setitimer(signal.ITIMER_REAL, CHECK_S, CHECK_S)
    while True:
        pulse.beat()
        number = signal.sigwait(HEARD)
        now_s = time.monotonic()
        if number in ASKED_TO_STOP:
            os.kill(pid, signal.SIGTERM if number == signal.SIGHUP else number)
            leave_at_s = min(leave_at_s, now_s + LEAVE_S)
            signal.setitimer(signal.ITIMER_REAL, LEAVE_S, CHECK_S)
        elif number == signal.SIGCHLD:
            if (ended := os.waitpid(pid, os.WNOHANG))[0]:
                return os.waitstatus_to_exitcode(ended[1]), leave_at_s < float("inf")
        elif now_s >= leave_at_s:
            os.kill(pid, signal.SIGKILL)
        else:
            _end_silent(pid, silence, drain(listener), now_s)


def _end_silent(pid: int, silence: Silence, heard: bool, now_s: float) -> None:
    if heard:
        silence.heard(now_s)
    if silence.too_long(now_s):
        logger.warning("the worker gave no sign of life for %.0f s: it hangs, or somebody stopped it", SILENCE_S)
        os.kill(pid, signal.SIGKILL)
