"""Who gives way is asked last for the processor, and only in a session of its own speaks for the session."""
import subprocess
import sys
from pathlib import Path

import pytest

from workers.runtime import NICENESS

AUTOGROUP = Path("/proc/self/autogroup")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="priorities of Linux")
PRINT = """
import os
from pathlib import Path
from workers.runtime import give_way
give_way()
group = Path("/proc/self/autogroup")
print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE, group.read_text().split()[-1] if group.exists() else "")
"""


def priorities(*, own_session: bool) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PRINT], cwd=Path(__file__).parent.parent, capture_output=True,
                          text=True, timeout=60, start_new_session=own_session)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@LINUX
def test_it_takes_only_what_others_leave():
    assert priorities(own_session=False)[:2] == [str(NICENESS), "True"]


@LINUX
@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not share among sessions")
def test_a_session_of_its_own_gives_way_as_a_whole_and_no_other_does():
    before = AUTOGROUP.read_text()

    assert priorities(own_session=True)[2] == str(NICENESS)
    priorities(own_session=False)

    assert AUTOGROUP.read_text() == before
