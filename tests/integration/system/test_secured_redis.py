"""The whole system with a Redis of one's own, as docs/how-to/operate.md says: TLS, and a user with few rights."""

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from support.paths import ROOT
from support.services import redis_tls
from support.system.up import Up
from support.webrtc.peers import Client, until
from workers.process.redis_server import free_port
from workers.process.runtime import die_with_parent

PASSWORD = "of-mvstylizer-4711"
ADMIN = "of-the-admin-4712"
RULES = re.search(r"^user mvstylizer .*$", (ROOT / "docs/how-to/operate.md").read_text(), re.M)[0]
FORBIDDEN = (
    "CONFIG GET dir", "FLUSHALL", "KEYS *", "SHUTDOWN NOSAVE", "REPLICAOF NO ONE", "MODULE LIST", "ACL LIST", "MONITOR",
    "SAVE", "CLIENT LIST", "SET elsewhere 1", "GET elsewhere", "PUBLISH elsewhere 1",
)  # fmt: skip


class SecuredRedis:
    """A Redis that speaks only TLS, with an ACL file, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.port, self.pem, acl = free_port(), redis_tls.make_certificate(folder), folder / "users.acl"
        acl.write_text(f"user default off\nuser admin on >{ADMIN} ~* &* +@all\n{RULES.replace('PASSWORD', PASSWORD)}\n")
        options = {
            "bind": "127.0.0.1",
            "save": "",
            "aclfile": acl,
            "dir": folder,
            **redis_tls.options(self.port, self.pem),
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._command = [redis_tls.server(), *words]

    def url(self, user: str, password: str) -> str:
        return f"rediss://{user}:{password}@127.0.0.1:{self.port}/0?ssl_ca_certs={self.pem}"

    @contextlib.contextmanager
    def running(self) -> Iterator["SecuredRedis"]:
        process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        try:
            while process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                    break
                time.sleep(0.02)
            yield self
        finally:
            process.kill()
            process.wait(10)


@pytest.fixture
def secured(tmp_path) -> Iterator[SecuredRedis]:
    with SecuredRedis(tmp_path).running() as server:
        yield server


def test_the_user_may_do_nothing_that_the_system_does_not_need(secured):
    with redis.Redis.from_url(secured.url("mvstylizer", PASSWORD)) as client:
        assert client.ping() and client.info("cluster")
        for command in FORBIDDEN:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command.split())


async def test_the_system_runs_on_it_and_tells_the_password_to_nobody(secured, tmp_path):
    """`up` takes the Redis of MVS_REDIS_URL. The server's own list of what it denied stays empty."""
    folder = tmp_path / "up"
    folder.mkdir()
    up = Up(folder, environment={**os.environ, "MVS_REDIS_URL": secured.url("mvstylizer", PASSWORD)})
    try:
        up.wait_ready()
        client = Client(up.url)
        await client.open()
        await until(lambda: bool(client.grids))
        await client.close()
        await until(lambda: all(role["processes"] for role in up.get("/status.json")[1]["roles"]), timeout_s=60)
        commands = [word for part in [psutil.Process(up.process.pid), *up.parts()] for word in part.cmdline()]
    finally:
        up.stop()

    with redis.Redis.from_url(secured.url("admin", ADMIN)) as admin:
        assert admin.acl_log() == []
    assert "redis" not in " ".join(commands).replace(str(ROOT), "") and PASSWORD not in up.log.read_text()
