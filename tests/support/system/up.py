"""Runs the whole system as a user starts it: `mvstylizer up`, in a process of its own."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil

from workers.process.redis_server import free_port
from workers.process.runtime import die_with_parent

READY_S = 90


class Up:
    """`mvstylizer up`, started on a free port. Its temporary files are in `folder`."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        environment: dict[str, str],
        command: Sequence[str] = (sys.executable, "-m", "workers", "up"),
        cwd: Path | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), "--workers", "1", *options],
                cwd=cwd,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
                env={
                    "MVS_OPERATOR_OPEN": "on",
                    "MVS_KEY_FRAME_INTERVAL_S": "0.5",  # cameras of tests show little that is new
                    **environment,
                    "TMPDIR": str(folder),
                    "MVS_MODELS_DIR": str(folder.with_suffix(".models")),
                },
            )

    def wait_ready(self) -> None:
        """Wait until it prints its address, when everything is ready."""
        for _ in range(READY_S * 10):
            if "Open http" in self.log.read_text():
                return
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"up ended early:\n{self.log.read_text()}")
        raise AssertionError(f"up was not ready in {READY_S} s:\n{self.log.read_text()}")

    def parts(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, role: str) -> psutil.Process:
        return next(p for p in self.parts() if role in p.cmdline())

    def worker(self) -> psutil.Process:
        """The process that stylizes now; its parent forks the next one."""
        return self.part("stylize").children()[0]

    def get(self, path: str) -> tuple[int, dict]:
        """The status and JSON body of an answer; status 0 if nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it by Ctrl-C; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)
