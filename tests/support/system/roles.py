"""Runs single roles as processes, as operators start them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.paths import ROOT
from workers.process.runtime import die_with_parent

STOP_S = 30


@contextlib.contextmanager
def role(*words: str, release: Path = ROOT, **settings: str) -> Iterator[subprocess.Popen]:
    """A role of the release in a folder, with MVS_* variables by their lower-case names.

    In the end it is asked to stop, unless the test has done so; it must then end without an error.
    """
    variables = {f"MVS_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "workers", *words],
        env=os.environ | {"PYTHONPATH": str(release)} | variables,
        cwd=release,
        preexec_fn=die_with_parent,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0
    finally:
        process.kill()
        process.wait()
