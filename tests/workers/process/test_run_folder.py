"""A run's folder is for our user alone. It is deleted at the end of the run, or by the next one if it was killed."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support.paths import ROOT
from workers.process.run_folder import PREFIX, run_folder

HOLD = """
import sys, tempfile, time
tempfile.tempdir = sys.argv[1]
from workers.process.run_folder import run_folder
with run_folder() as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_is_private_and_gone_afterwards(tmp_path):
    with run_folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "file").write_text("x")

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_is_not(tmp_path):
    runs = [
        subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(2)
    ]
    try:
        killed, living = (Path(run.stdout.readline().strip()) for run in runs)
        runs[0].kill()
        runs[0].wait()
        assert killed.exists()

        with run_folder() as own:
            assert not killed.exists()
            assert sorted(tmp_path.iterdir()) == sorted([living, own])
    finally:
        for run in runs:
            run.kill()
            run.communicate()


def test_nothing_of_others_is_removed(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "elsewhere" / "file").write_text("x")
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{PREFIX}open").mkdir(mode=0o755)
    (tmp_path / f"{PREFIX}file").write_text("x")
    before = sorted(tmp_path.rglob("*"))

    with run_folder():
        pass

    assert sorted(tmp_path.rglob("*")) == before


def test_without_any_folder_a_run_does_without(monkeypatch):
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: (_ for _ in ()).throw(OSError(28, os.strerror(28))))

    with run_folder() as folder:
        assert folder is None
