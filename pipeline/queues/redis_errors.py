"""Explains Redis' errors in a few words, and logs an outage once instead of once for each attempt."""

import logging
import random
import time
from collections.abc import Callable

import redis
import redis.asyncio
import redis.asyncio.sentinel
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TimeoutError,
)
from redis.sentinel import SentinelConnectionPool

logger = logging.getLogger(__name__)

#: The pools of clients that sentinels lead to the primary.
BY_SENTINELS = SentinelConnectionPool | redis.asyncio.sentinel.SentinelConnectionPool
AnyRedis = redis.Redis | redis.asyncio.Redis

#: The pauses between attempts double from the first to the longest; a Redis that is back is noticed within a second.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0

#: The reason that logs, /readyz and /status give, by the kind of an error, which is a metric's label. The error's own
#: text is never shown, since it may contain what was sent.
REASONS = {
    "password": "wrong password or user",
    "permission": "its access list forbids a command that is needed",
    "certificate": "its TLS certificate is not trusted",
    "memory": "out of memory",
    "read_only": "it is a read-only replica, or cannot write to its disk",
    "loading": "still loading its data",
    "cluster": "it is a cluster, which is not supported",
    "type": "a key of ours holds something else",
    "script": "busy with a script, or scripts are gone",
    "away": "it does not answer",
    "error": "it answers with an error",
}
#: What an operator can do about each kind of error.
STEPS = {
    "password": "Put the right user and password into MVS_REDIS_URL.",
    "permission": "Allow the user all keys and what docs/how-to/operate.md lists.",
    "certificate": "Give the URL the authority that signed it: rediss://...?ssl_ca_certs=FILE.",
    "memory": "Raise maxmemory, or set maxmemory-policy to volatile-ttl; see who else fills it.",
    "read_only": "Give the address of the primary; see whether its disk is full.",
    "loading": "It will be there by itself.",
    "cluster": "Redis Cluster is not supported: use a single Redis.",
    "type": "See who else writes to this Redis; wrong keys are deleted by themselves.",
    "script": "See who runs scripts in this Redis.",
    "away": "See whether it runs and can be reached at MVS_REDIS_URL.",
    "error": "The log has what it said.",
}
KINDS = (
    (AuthenticationError, "password"),
    (NoPermissionError, "permission"),
    (OutOfMemoryError, "memory"),
    ((ReadOnlyError, MasterDownError), "read_only"),
    (BusyLoadingError, "loading"),
    ((MovedError, AskError, ClusterDownError, ClusterCrossSlotError), "cluster"),
    (NoScriptError, "script"),
)
#: Words in the texts of errors that have no class of their own in redis-py, or lose it within a transaction.
WORDS = (
    ("CERTIFICATE_VERIFY_FAILED", "certificate"),
    ("NOAUTH", "password"),
    ("WRONGPASS", "password"),
    ("Authentication required", "password"),
    ("AuthenticationError", "password"),  # what sentinels said, within another error
    ("NOPERM", "permission"),
    ("OOM ", "memory"),
    ("maxmemory", "memory"),
    ("MISCONF", "read_only"),
    ("READONLY", "read_only"),
    ("LOADING", "loading"),
    ("MOVED ", "cluster"),
    ("CROSSSLOT", "cluster"),
    ("CLUSTERDOWN", "cluster"),
    ("WRONGTYPE", "type"),
    ("BUSY ", "script"),
)


def kind(error: BaseException) -> str:
    """Return the kind of an error of redis-py, which is a key of REASONS."""
    text = f"{error} {error.__cause__ or error.__context__ or ''}"
    for classes, found in KINDS:
        if isinstance(error, classes):
            return found
    for word, found in WORDS:
        if word in text:
            return found
    return "away" if isinstance(error, ConnectionError | TimeoutError | OSError) else "error"


def reason(error: BaseException) -> str:
    """Return in a few words why Redis failed, for people."""
    return REASONS[kind(error)]


def place(connection: AnyRedis) -> str:
    """Return the address of a client's Redis, without user and password, or the name that sentinels know it by."""
    if isinstance(pool := connection.connection_pool, BY_SENTINELS):
        return str(pool.service_name)
    options = pool.connection_kwargs
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


class Outage:
    """An outage of Redis, from the first error to the next success. It logs each reason once, with growing pauses."""

    def __init__(
        self,
        whose: str,
        place: str = "",
        count: Callable[[str], None] = lambda kind: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """In the log, `whose` names the waiting process and `place` its Redis. `count` gets each error's kind."""
        self._whose, self._redis = whose, f"Redis at {place}" if place else "Redis"
        self._count, self._clock = count, clock
        self._kind = ""
        self._began_s, self._pause_s = 0.0, FIRST_PAUSE_S

    def failed(self, error: BaseException) -> float:
        """Note an error; return how many seconds to wait before the next attempt."""
        found = kind(error)
        self._count(found)
        if not self._kind:
            self._began_s, self._pause_s = self._clock(), FIRST_PAUSE_S
        if found != self._kind:
            logger.warning("%s is waiting for %s: %s. %s", self._whose, self._redis, REASONS[found], STEPS[found])
        self._kind = found
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, LONGEST_PAUSE_S)
        return pause_s * random.uniform(0.5, 1.0)  # so that not all processes come back at once

    def ended(self) -> None:
        """Note a success, which ends the outage."""
        if self._kind:
            logger.warning("%s has %s again, after %.1f s", self._whose, self._redis, self._clock() - self._began_s)
            self._kind = ""
