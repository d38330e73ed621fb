"""A system for load tests: Redis, a gateway and stub workers, as processes that end with the one that started them."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import psutil
import redis

from workers.process import redis_server
from workers.process.redis_server import free_port
from workers.process.runtime import die_with_parent
from workers.process.supervisor import ENVIRONMENT

READY_S = 60
#: A load test finds out what a gateway can do, so the limits on what it may do are lifted.
UNLIMITED = {"MVS_MAX_SESSIONS": "1000", "MVS_CPU_BUDGET": "64", "MVS_OFFERS_PER_S": "100", "MVS_OPERATOR_OPEN": "on"}
STUB = Path(__file__).parent / "stub.py"


class Crew:
    """A context manager whose parts can be killed and started again by name: redis, gateway, worker 0, …"""

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 1,
        stub_ms: float | None = 30,
        cores: Mapping[str, set[int]] = {},
        **settings: str,
    ) -> None:
        """`stub_ms` is None for the shipped model. `cores` are those a part may use; `settings` are MVS_* variables."""
        redis_port, self.port = free_port(), free_port()
        settings = {**UNLIMITED, **settings}
        self.redis_url, self.url = f"redis://127.0.0.1:{redis_port}/0", f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, **ENVIRONMENT, **settings}
        python = [sys.executable]
        stub = [str(STUB), "--ms", str(stub_ms)]
        worker = [*python, *(["-m", "workers", "stylize"] if stub_ms is None else stub)]
        self._cores = cores
        self._commands = {
            "redis": redis_server.command(redis_server.find_server(), port=redis_port, folder=folder),
            "gateway": [*python, "-m", "workers", "gateway", "--port", str(self.port), "--redis", self.redis_url],
            **{f"worker {n}": [*worker, "--redis", self.redis_url] for n in range(workers)},
        }
        self._parts: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Crew":
        try:
            for name in self._commands:
                self.start(name)
            self.wait_ready()
            self._wait_workers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        others = [part for name, part in self._parts.items() if name != "redis"]
        for parts in (others, [self._parts["redis"]]):  # then nobody is left to do so
            for part in parts:
                part.terminate()
            for part in parts:
                self._end(part)

    def _end(self, part: subprocess.Popen) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            part.wait(10)
        part.kill()
        part.wait()

    def start(self, name: str) -> None:
        self._parts[name] = subprocess.Popen(
            self._commands[name],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: self._prepare(self._cores.get(name)),
        )

    def _prepare(self, cores: set[int] | None) -> None:
        """Prepare the new process, before it becomes the part."""
        die_with_parent()
        if cores:
            os.sched_setaffinity(0, cores)

    def kill(self, name: str) -> None:
        """Kill a part by SIGKILL, like a crash. A worker is replaced by another one; any other part stays away."""
        process = self.process(name)
        process.kill()
        process.wait()

    def alive(self, name: str) -> bool:
        return self._parts[name].poll() is None

    def process(self, name: str) -> psutil.Process:
        """The process that does a part's work; a worker's is forked by the process that was started."""
        started = psutil.Process(self._parts[name].pid)
        return started.children()[0] if name.startswith("worker") else started

    def wait_ready(self) -> None:
        for _ in range(READY_S * 10):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                return
            time.sleep(0.1)
        raise AssertionError(f"not ready within {READY_S} s")

    def _wait_workers(self) -> None:
        """Wait until all workers are ready; for a gateway, one is enough."""
        workers = sum(name.startswith("worker") for name in self._commands)
        with redis.Redis.from_url(self.redis_url) as connection:
            for _ in range(READY_S * 10):
                if connection.scard("rq:workers") >= workers:
                    return
                time.sleep(0.1)
        raise AssertionError(f"not {workers} workers within {READY_S} s")
