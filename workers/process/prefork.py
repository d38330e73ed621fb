"""Keeps a spare: a process that has imported everything forks the worker, and forks another if that one is killed.

The new worker starts without delay, since importing torch takes many seconds.
"""

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
#: A worker that was asked to stop has this long. It needs less than a second, but RQ waits for ever if Redis is away.
LEAVE_S = 1.5
#: If a worker is killed sooner after its start than this, another would be killed as well, so none is forked.
SHORT_LIFE_S = 1.0
#: A worker's first sign of life may take this long: it loads and warms up its model, maybe on a busy machine.
START_S = 45.0
#: A silent worker is killed after this time. Any job (pipeline.contract.redis_keys.JOB_TIMEOUT_S) and any wait for a
#: hanging Redis is shorter.
SILENCE_S = 8.0


def prefork(on_successor: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """Fork a worker process and return in it; the calling process stays inside and watches over the worker.

    The worker's main loop must call the returned function. A worker that does not call it for SILENCE_S, because it
    hangs or was stopped, is killed.

    If the worker was killed by a signal (by the kernel when memory is short, by a crash in a library, or for its
    silence), the calling process forks another. `on_successor` is called in that new worker. In all other cases the
    calling process ends with the worker's exit code. Asked to stop, it passes this on and gives the worker LEAVE_S.

    Call this before any thread is started. The worker dies with the calling process.
    """
    gc.freeze()  # garbage collection would otherwise write to memory pages that both processes share
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
    """Watch the worker until it ends; pass requests to stop on to it, and kill it if it is silent.

    Returns its exit code, which is negative for a signal, and whether this process was asked to stop.
    """
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
