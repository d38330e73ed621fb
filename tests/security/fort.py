"""Runs the system under attack, `mvstylizer up` with a Redis of ours, and measures what an attack costs it."""

import contextlib
import os
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil

from support.services.redis_process import RedisServer
from support.system.up import Up

SAMPLE_S = 0.1
#: Whose requests these are. A machine's own have larger budgets than others', so attackers come through a proxy that
#: is trusted, and are one caller from the network.
ATTACKER = "127.0.0.66"
AS_ATTACKER = {"X-Forwarded-For": "203.0.113.66"}


@dataclass(frozen=True, slots=True)
class Target:
    """What an attacker may know, and what a test needs in order to see whether the attack worked."""

    url: str
    redis_url: str
    photo: str  # the id of a style that a live stream uses
    log: Path
    gateway: int  # process ids
    worker: int

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)


class Fort:
    """The system under attack, as a context manager."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.redis = RedisServer(folder)
        self._folder = folder / "up"
        self._settings = {"MVS_CPU_BUDGET": "2", "MVS_TRUSTED_PROXIES": ATTACKER, **settings}

    def __enter__(self) -> "Fort":
        self._folder.mkdir()
        self.redis.start()
        try:
            self.up = Up(self._folder, "--redis", self.redis.url, environment={**os.environ, **self._settings})
            self.up.wait_ready()
            request = urllib.request.Request(f"{self.up.url}/styles", picture(0), {"Content-Type": "image/png"})
            with urllib.request.urlopen(request, timeout=10) as response:
                self.photo = response.read().decode().split('"id": "')[1][:16]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(Exception):
            self.up.stop()
        self.redis.stop()

    def target(self) -> Target:
        return Target(self.up.url, self.redis.url, self.photo, self.up.log, self.gateway().pid, self.up.worker().pid)

    def alive(self) -> bool:
        return self.up.process.poll() is None

    def gateway(self) -> psutil.Process:
        return self.up.part("gateway")

    def sessions(self) -> int:
        return self.up.get("/healthz")[1].get("sessions", -1)


def picture(number: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A PNG that differs for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


@dataclass(frozen=True, slots=True)
class Cost:
    cpu_s: float
    grew_mb: float  # the gateway's at most
    all_grew_mb: float  # of all parts together at most
    fds: int  # the most that there were beyond those at the beginning
    log_lines: int
    traces: int
    seconds: float


class Watched:
    """Measures, by a thread, the cost of what happens inside `with`; afterwards `cost` has it."""

    def __init__(self, fort: Fort) -> None:
        self._fort, self._gateway = fort, fort.gateway()
        self._ended = threading.Event()
        self._peak = (0, 0, 0)

    def __enter__(self) -> "Watched":
        self._before, self._cpu_s, self._log = self._sample(), self._spent_s(), self._fort.up.log.stat().st_size
        self._peak, self._began_s = self._before, time.monotonic()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        rss, all_rss, fds = (peak - before for peak, before in zip(self._peak, self._before, strict=True))
        with self._fort.up.log.open() as log:
            log.seek(self._log)
            written = log.read()
        self.cost = Cost(
            cpu_s=round(self._spent_s() - self._cpu_s, 2),
            grew_mb=round(rss / 1e6, 1),
            all_grew_mb=round(all_rss / 1e6, 1),
            fds=fds,
            log_lines=written.count("\n"),
            traces=written.count("Traceback"),
            seconds=round(time.monotonic() - self._began_s, 1),
        )

    def _follow(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self._peak = tuple(map(max, self._peak, self._sample()))

    def _sample(self) -> tuple[int, int, int]:
        together = 0
        with contextlib.suppress(psutil.Error):
            for part in self._fort.up.parts():
                with contextlib.suppress(psutil.Error):
                    together += part.memory_info().rss
        try:
            return self._gateway.memory_info().rss, together, self._gateway.num_fds()
        except psutil.Error:
            return 0, together, 0

    def _spent_s(self) -> float:
        try:
            times = self._gateway.cpu_times()
        except psutil.Error:
            return 0.0
        return times.user + times.system + times.children_user + times.children_system
