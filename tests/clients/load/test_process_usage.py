import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
import pytest

from clients.load import process_usage
from clients.load.process_usage import Meter, is_here, role_in, system_of


@pytest.mark.parametrize(
    ("command", "role"),
    [
        (["python", "-m", "workers", "gateway", "--port", "1"], "gateway"),
        (["python", "-m", "workers", "-v", "stylize"], "stylize"),
        (["/venv/bin/mvstylizer", "train"], "train"),
        (["python", "-m", "pytest"], None),
    ],
)
def test_a_role_is_told_by_its_command_line(command, role):
    assert role_in(command) == role


def test_nothing_is_found_where_nobody_listens_or_none_of_ours():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        assert system_of(f"http://127.0.0.1:{server.server_port}") == []
    assert system_of("http://127.0.0.1:1") == []


def test_processes_that_end_meanwhile_are_left_out():
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    meter = Meter({"busy": [psutil.Process()], "gone": [psutil.Process(sleeper.pid)]})
    sleeper.communicate(b"\n")
    sum(range(10**6))

    usage = meter.read()

    assert usage["gone"].processes == 0
    assert usage["busy"].processes == 1 and usage["busy"].core_percent > 0 and usage["busy"].rss_mb > 10


class Process:
    """A process as psutil describes it."""

    def __init__(self, command: str, redis: str = "", parent: "Process | None" = None) -> None:
        self._command, self._redis, self._parent = command, redis, parent
        self.members: list[Process] = []
        if parent:
            parent.members.append(self)

    def name(self) -> str:
        return self._command.split()[0]

    def cmdline(self) -> list[str]:
        return self._command.split()

    def environ(self) -> dict[str, str]:
        return {"MVS_REDIS_URL": self._redis} if self._redis else {}

    def parents(self) -> "list[Process]":
        return [self._parent, *self._parent.parents()] if self._parent else []

    def children(self, recursive: bool) -> "list[Process]":
        return [p for child in self.members for p in (child, *child.children(recursive))]


def stack(shell: Process, redis: str) -> list[Process]:
    """The processes that one `up` starts."""
    up = Process("python -m workers up", parent=shell)
    return [Process(f"python -m workers {role}", redis, up) for role in ("gateway", "stylize")] + [
        Process("redis-server *:1", parent=up)
    ]


def test_of_two_stacks_from_one_shell_only_the_own_is_counted(monkeypatch):
    shell = Process("bash")
    own, other = stack(shell, "redis://own"), stack(shell, "redis://other")
    monkeypatch.setattr(process_usage, "_listener", lambda port: own[0])
    monkeypatch.setattr(process_usage.psutil, "process_iter", lambda: [*own, *other])

    assert system_of("http://127.0.0.1:8080") == own


def test_roles_started_by_hand_belong_together_by_their_redis(monkeypatch):
    shell, own = Process("bash"), "redis://127.0.0.1:7001/0"
    gateway = Process(f"python -m workers gateway --redis {own}", parent=shell)
    stylize = Process("python -m workers stylize", own, shell)
    redis = Process("redis-server *:7001", parent=shell)
    others = [Process("python -m workers stylize", parent=shell), Process("redis-server *:1", parent=shell)]
    monkeypatch.setattr(process_usage, "_listener", {8080: gateway, 7001: redis}.get)
    monkeypatch.setattr(process_usage.psutil, "process_iter", lambda: [gateway, stylize, redis, *others])

    assert system_of("http://127.0.0.1:8080") == [gateway, stylize, redis]


def test_a_gateway_on_another_machine_is_not_looked_for_here(monkeypatch):
    monkeypatch.setattr(process_usage, "_listener", lambda port: pytest.fail("its port may be somebody else's here"))

    assert is_here("127.0.0.1") and is_here("localhost")
    assert system_of("http://192.0.2.7:8080") == []
