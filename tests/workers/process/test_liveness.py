"""A process's signs of life, as files show them to the health checks of containers."""

import os
from pathlib import Path

from workers.process.liveness import Pulse


def test_each_sign_of_life_touches_the_file(tmp_path):
    file, now_s = tmp_path / "alive", 0.0
    pulse = Pulse((), file, clock=lambda: now_s)
    pulse.beat()
    os.utime(file, (0, 0))

    pulse.beat()  # too early for another one
    assert file.stat().st_mtime == 0
    now_s = 1.0
    pulse.beat()

    assert file.stat().st_mtime > 0


def test_the_file_is_named_by_the_environment_and_not_touched_by_children(tmp_path):
    environ = {"MVS_LIFE_FILE": str(tmp_path / "alive")}

    Pulse.of_environment(environ).beat()

    assert (tmp_path / "alive").is_file()
    assert environ == {}


def test_a_file_that_cannot_be_written_ends_nothing():
    Pulse((), Path("/nowhere/alive")).beat()
