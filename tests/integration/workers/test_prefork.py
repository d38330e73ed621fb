"""A forked worker that is killed is replaced by another one, and no worker is left behind."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from support.paths import ROOT

#: Prints once that it has imported, then each worker's process id. A worker does what its first line of input says.
WORKER = """
import os, signal, sys, time
import workers.process.prefork
workers.process.prefork.SHORT_LIFE_S, workers.process.prefork.LEAVE_S = float(sys.argv[1]), float(sys.argv[2])
workers.process.prefork.SILENCE_S, workers.process.prefork.START_S = 2.0, float(sys.argv[4])
print("imported", flush=True)
followed = []
alive = workers.process.prefork.prefork(lambda: followed.append(1))
print(os.getpid(), flush=True)
exec(sys.argv[3])
"""
BEAT = "alive(); print('beats', flush=True)\nwhile True: alive(); time.sleep(0.2)"
HANG = "alive(); signal.pause()"
WAIT = "signal.pause()"
SAY = "print(len(followed), flush=True); signal.pause()"
STAY = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('listening', flush=True); signal.pause()"
LEAVE = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('listening', flush=True); signal.pause()"


class Preforked:
    """The process that forks, as a context manager."""

    def __init__(self, work: str, *, short_life_s: float = 0, leave_s: float = 20, start_s: float = 60) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(short_life_s), str(leave_s), work, str(start_s)],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> "Preforked":
        assert self.line() == "imported"
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate(timeout=20)

    def line(self) -> str:
        return self._process.stdout.readline().strip()

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def code(self) -> int:
        return self._process.wait(20)


def test_a_killed_worker_is_followed_by_one_that_need_not_import():
    with Preforked(WAIT) as preforked:
        pids = [int(preforked.line())]
        for number in (signal.SIGKILL, signal.SIGSEGV):
            os.kill(pids[-1], number)
            pids.append(int(preforked.line()))

        assert len(set(pids)) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_end_when_one_is_asked_to_stop(number):
    with Preforked(WAIT) as preforked:
        worker = psutil.Process(int(preforked.line()))
        preforked.send(number)

        assert preforked.code() != 0
        assert not worker.is_running()


def test_a_worker_hears_that_it_shall_stop_and_says_how_it_ended():
    with Preforked(LEAVE) as preforked:
        assert int(preforked.line()) and preforked.line() == "listening"
        preforked.send(signal.SIGTERM)

        assert preforked.code() == 7


def test_a_worker_that_cannot_leave_is_killed():
    with Preforked(STAY, leave_s=0.5) as preforked:
        worker = psutil.Process(int(preforked.line()))
        assert preforked.line() == "listening"
        preforked.send(signal.SIGTERM)

        assert preforked.code() == 128 + signal.SIGKILL
        assert not worker.is_running()


def test_a_worker_that_ends_by_itself_is_not_followed():
    with Preforked("sys.exit(2)") as preforked:
        assert preforked.code() == 2


def test_a_worker_that_is_killed_at_once_is_not_followed():
    with Preforked("os.kill(os.getpid(), signal.SIGKILL)", short_life_s=60) as preforked:
        assert preforked.code() == 128 + signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux for it")
def test_no_worker_is_left_behind():
    with Preforked(WAIT) as preforked:
        worker = psutil.Process(int(preforked.line()))
        preforked.send(signal.SIGKILL)
        preforked.code()

        worker.wait(20)


@pytest.mark.parametrize("number", [signal.SIGSTOP, None])
def test_a_worker_that_is_stopped_or_hangs_is_followed_by_another(number):
    with Preforked(HANG if number is None else BEAT) as preforked:
        first = int(preforked.line())
        if number is not None:
            assert preforked.line() == "beats"
            os.kill(first, number)

        assert int(preforked.line()) != first
        assert not psutil.pid_exists(first) or psutil.Process(first).status() == psutil.STATUS_ZOMBIE


def test_a_worker_that_never_begins_is_followed_by_another():
    with Preforked(WAIT, start_s=1) as preforked:
        assert int(preforked.line()) != int(preforked.line())


def test_a_worker_that_follows_a_killed_one_knows_it():
    """It tells operators, which the killed one cannot do."""
    with Preforked(SAY) as preforked:
        told = []
        for _ in range(3):
            worker = psutil.Process(int(preforked.line()))
            told.append(preforked.line())
            worker.kill()

    assert told == ["0", "1", "1"]
