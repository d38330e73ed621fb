"""How much processor time and memory do the processes of the system under test take on this machine, role by role?"""

import contextlib
import multiprocessing
import socket
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from pipeline.contract.settings import Settings

#: The word before a role in a command line: `python -m workers gateway`, or `mvstylizer gateway`.
LAUNCHERS = ("workers", "mvstylizer")
#: Processes with these roles serve no client.
NOT_UNDER_LOAD = (None, "load", "up")
DEFAULT_REDIS = Settings().redis_url


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of one role took together."""

    processes: int
    core_percent: float  # 100 is one core
    rss_mb: float


def system_of(url: str) -> list[psutil.Process]:
    """The gateway that listens at `url` and the processes that belong to it; [] if it is not on this machine.

    If `mvstylizer up` started the gateway, these are all that it started. Otherwise they are the roles that use the
    same Redis, and that Redis.
    """
    address = urlsplit(url)
    if not is_here(address.hostname or ""):
        return []
    gateway = _listener(address.port or (443 if address.scheme == "https" else 80))
    if gateway is None or role(gateway) != "gateway":
        return []
    return [process for process in _stack_of(gateway) if role(process) not in NOT_UNDER_LOAD]


def is_here(host: str) -> bool:
    """Whether a host name or address belongs to this machine."""
    own = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    with contextlib.suppress(OSError):
        named = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        return any(address in own or address.startswith("127.") for address in named)
    return False


def _stack_of(gateway: psutil.Process) -> list[psutil.Process]:
    starters = [parent for parent in gateway.parents() if role(parent) == "up"]
    if starters:
        return starters[0].children(recursive=True)
    url = _redis_of(gateway)
    if url is None:
        return [gateway]
    roles = [p for p in psutil.process_iter() if role(p) not in (None, "redis") and _redis_of(p) == url]
    server = _redis_at(url)
    return [*roles, server] if server else roles


def _redis_of(process: psutil.Process) -> str | None:
    """The Redis URL that a process was given; None if we may not look at the process."""
    with contextlib.suppress(psutil.Error):
        words = [part for word in process.cmdline() for part in word.split("=", 1)]
        if "--redis" in words[:-1]:
            return words[words.index("--redis") + 1]
        return process.environ().get("MVS_REDIS_URL", DEFAULT_REDIS)
    return None


def _redis_at(url: str) -> psutil.Process | None:
    """The Redis server behind a URL; None if it is not on this machine."""
    address = urlsplit(url)
    if not address.hostname or not is_here(address.hostname):
        return None
    server = _listener(address.port or 6379)
    return server if server and role(server) == "redis" else None


def _listener(port: int) -> psutil.Process | None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return process
    return None


def role(process: psutil.Process) -> str | None:
    """`gateway`, `stylize`, … or `redis`; None for a process that is not part of the system."""
    with contextlib.suppress(psutil.Error):
        if "redis" in process.name():
            return "redis"
        return role_in(process.cmdline())
    return None


def role_in(command: Sequence[str]) -> str | None:
    """The first word of a command line after a launcher that is not an option."""
    words = [word.rpartition("/")[2] for word in command]
    at = next((i for i, word in enumerate(words) if word in LAUNCHERS), len(words))
    return next((word for word in words[at + 1 :] if not word.startswith("-")), None)


class Meter:
    """Measures what each role's processes take from its creation on. Processes that end meanwhile are left out."""

    def __init__(self, processes: dict[str, list[psutil.Process]]) -> None:
        self._started_s = time.monotonic()
        self._before = {name: [(p, _cpu_s(p)) for p in members] for name, members in processes.items()}

    @classmethod
    def beside(cls, url: str) -> "Meter":
        """A meter for the system behind `url`, as far as it runs on this machine, and for the load generator itself."""
        senders = [psutil.Process(child.pid) for child in multiprocessing.active_children()]
        roles = defaultdict(list, {"generator": [psutil.Process(), *senders]})
        for process in system_of(url):
            roles[role(process) or "other"].append(process)
        return cls(roles)

    def read(self) -> dict[str, Usage]:
        return {name: self._usage(members) for name, members in self._before.items()}

    def _usage(self, members: list[tuple[psutil.Process, float]]) -> Usage:
        seconds = time.monotonic() - self._started_s
        cpu_s, rss, alive = 0.0, 0, 0
        for process, before_s in members:
            with contextlib.suppress(psutil.Error):
                cpu_s += _cpu_s(process) - before_s
                rss += process.memory_info().rss
                alive += 1
        return Usage(alive, round(100 * cpu_s / seconds, 1), round(rss / 1e6))


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
