"""A process that gives way gets the processor last, and decides for its whole session only if that is its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT
from workers.process.runtime import NICENESS

AUTOGROUP = Path("/proc/self/autogroup")
#: It is empty within a control group with its own share, where the kernel does not separate sessions.
SESSIONS_SHARE = AUTOGROUP.exists() and AUTOGROUP.read_text() != ""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="priorities of Linux")
GIVE_WAY = """
import os
from pathlib import Path
from workers.process.runtime import run_at_idle_priority
run_at_idle_priority()
"""


def run(code: str, *, own_session: bool) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=own_session,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@LINUX
def test_it_takes_only_what_others_leave():
    shown = run(GIVE_WAY + "print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE)", own_session=False)

    assert shown.split() == [str(NICENESS), "True"]


@LINUX
@pytest.mark.skipif(not SESSIONS_SHARE, reason="this kernel does not share among sessions")
def test_a_session_of_its_own_gives_way_as_a_whole_and_no_other_does():
    before = AUTOGROUP.read_text()

    shown = run(GIVE_WAY + "print(Path('/proc/self/autogroup').read_text())", own_session=True)
    run(GIVE_WAY, own_session=False)

    assert shown.split()[-1] == str(NICENESS)
    assert AUTOGROUP.read_text() == before
