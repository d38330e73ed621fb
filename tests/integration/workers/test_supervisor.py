"""Child processes are started again after a crash, given up if that does not help, and stopped without a trace."""

import asyncio
import os
import signal
import subprocess
import sys

import psutil
import pytest

from support.paths import ROOT
from support.webrtc.peers import until
from workers.process import supervisor
from workers.process.liveness import READY, VARIABLE, Silence
from workers.process.supervisor import MAX_CRASHES, SupervisedProcess


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(supervisor, "LONGEST_DELAY_S", 0.01)
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0.5)


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


async def test_a_part_that_was_started_wrongly_is_not_started_again(tmp_path):
    count = tmp_path / "count"
    child = SupervisedProcess("part", python(f"open({str(count)!r}, 'a').write('x'); raise SystemExit(2)"))

    assert "could not start" in await child.keep_alive()
    assert count.read_text() == "x"


async def test_a_part_that_keeps_crashing_is_given_up(tmp_path):
    count = tmp_path / "count"
    child = SupervisedProcess("part", python(f"open({str(count)!r}, 'a').write('x'); raise SystemExit(1)"))

    assert f"crashed {MAX_CRASHES} times" in await child.keep_alive()
    assert count.read_text() == "x" * MAX_CRASHES


async def test_a_part_for_which_there_is_no_process_to_be_had_is_started_later(monkeypatch):
    """Before, a single failed fork ended all of `up`."""
    child, attempts = SupervisedProcess("part", python("import time; time.sleep(60)")), []
    start = asyncio.create_subprocess_exec

    async def short_of_processes(*command, **options):
        attempts.append(1)
        if len(attempts) < 3:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return await start(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", short_of_processes)
    life = asyncio.create_task(child.keep_alive())
    await until(lambda: child.pid)
    life.cancel()
    await asyncio.wait({life})
    await child.stop()

    assert len(attempts) == 3


async def test_a_part_that_is_killed_comes_back():
    child = SupervisedProcess("part", python("import time; time.sleep(60)"))
    life = asyncio.create_task(child.keep_alive())
    await until(lambda: child.pid)
    first = child.pid

    os.kill(first, signal.SIGKILL)
    await until(lambda: child.pid not in (None, first))
    life.cancel()
    await asyncio.wait({life})
    await child.stop()

    assert child.pid is None


async def test_a_part_that_does_not_listen_is_killed():
    child = SupervisedProcess(
        "part", python("import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(60)")
    )
    life = asyncio.create_task(child.keep_alive())
    await until(lambda: child.pid)
    pid = child.pid

    life.cancel()
    await asyncio.wait({life})
    await child.stop()

    assert not psutil.pid_exists(pid)


BEATING = """
import time
from workers.process.liveness import Pulse
pulse = Pulse.of_environment()
while True:
    pulse.beat()
    time.sleep(0.1)
"""


async def test_a_part_that_is_stopped_is_killed_and_comes_back():
    restarts: list[tuple[str, str]] = []
    child = SupervisedProcess(
        "part", [sys.executable, "-c", BEATING], silence_s=2.0, on_restart=lambda *of: restarts.append(of)
    )
    life = asyncio.create_task(child.keep_alive())
    await until(lambda: child.was_ready, timeout_s=30)
    first = child.pid

    os.kill(first, signal.SIGSTOP)
    await until(lambda: child.pid not in (None, first), timeout_s=30)
    life.cancel()
    await asyncio.wait({life})
    await child.stop()

    assert restarts == [("part", "silent")]


async def test_a_part_that_never_says_that_it_lives_is_started_again(monkeypatch):
    monkeypatch.setattr(supervisor, "START_S", 1.0)
    restarts: list[tuple[str, str]] = []
    child = SupervisedProcess(
        "part", python("import time; time.sleep(60)"), silence_s=60.0, on_restart=lambda *of: restarts.append(of)
    )
    life = asyncio.create_task(child.keep_alive())

    await until(lambda: restarts, timeout_s=30)
    life.cancel()
    await asyncio.wait({life})
    await child.stop()

    assert restarts[0] == ("part", "silent")


async def test_a_part_that_was_ready_once_is_never_given_up(tmp_path):
    count = tmp_path / "count"
    child = SupervisedProcess("part", python(f"open({str(count)!r}, 'a').write('x'); raise SystemExit(2)"))
    child.was_ready = True
    life = asyncio.create_task(child.keep_alive())

    await until(lambda: count.exists() and len(count.read_text()) > 2 * MAX_CRASHES, timeout_s=30)

    assert not life.done()
    life.cancel()
    await asyncio.wait({life})
    await child.stop()


async def test_a_sign_of_life_just_before_the_end_counts(tmp_path):
    """Before, a part that was killed within a second of being ready was taken for one that never starts."""
    tell = f"import os, socket; socket.socket(fileno=int(os.environ[{VARIABLE!r}])).send({READY!r})"
    restarted = asyncio.Event()
    child = SupervisedProcess("part", python(f"{tell}; raise SystemExit(2)"), on_restart=lambda *_: restarted.set())
    life = asyncio.create_task(child.keep_alive())

    await asyncio.wait({life, asyncio.create_task(restarted.wait())}, return_when=asyncio.FIRST_COMPLETED)

    assert child.was_ready and not life.done()
    life.cancel()
    await asyncio.wait({life})
    await child.stop()


def test_silence_counts_only_while_somebody_listens():
    silence = Silence(0.0, start_s=60, limit_s=8)
    assert not silence.too_long(59.0)  # it was not asked for an hour, and so was stopped itself
    silence.heard(60.0)
    for second in range(61, 69):
        assert not silence.too_long(float(second))
    assert silence.too_long(69.0)
    silence.heard(70.0)
    assert not silence.too_long(3_600.0)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_parts_die_with_the_process_that_started_them(tmp_path):
    code = """
import asyncio, sys
from workers.process.supervisor import SupervisedProcess
async def main():
    child = SupervisedProcess("part", [sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    life = asyncio.create_task(child.keep_alive())
    while not child.pid:
        await asyncio.sleep(0.01)
    print(child.pid, flush=True)
    await life
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    part = psutil.Process(int(parent.stdout.readline()))

    parent.kill()
    parent.wait()
    parent.stdout.close()

    part.wait(10)
