"""Makes redis-py's clients from MVS_REDIS_URL: of one server, or of the primary that sentinels name."""

import re
from typing import Any, cast
from urllib.parse import urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.sentinel import MasterNotFoundError as AsyncMasterNotFoundError
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError

#: A sentinel that does not answer in this time is passed over; three of them take less than a reader's patience.
SENTINEL_TIMEOUT_S = 0.5
SENTINEL_PORT = 26379
#: redis+sentinel://user:password@host:port,host:port/primary/database?options, and rediss+sentinel:// with TLS.
BY_SENTINELS = re.compile(r"(rediss?)\+sentinel://(.*@)?([^/?#@]+)/([^/?#]+)(/\d+)?/?(\?.*)?")


class _Sentinels(redis.sentinel.Sentinel):
    """Sentinels whose errors have a cause where that may be a certificate: redis-py's own error does not tell it."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            return cast(tuple[str, int], super().discover_master(service_name))
        except MasterNotFoundError as error:
            if self.sentinel_kwargs.get("ssl"):
                try:
                    self.sentinels[0].ping()
                except redis.RedisError as cause:
                    raise error from cause
            raise


class _AsyncSentinels(redis.asyncio.sentinel.Sentinel):
    """The same for asyncio, and for one task only. No connection is kept: the client's `aclose` would leave it open."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            return cast(tuple[str, int], await super().discover_master(service_name))
        except AsyncMasterNotFoundError as error:
            if self.sentinel_kwargs.get("ssl"):
                try:
                    await self.sentinels[0].ping()
                except redis.RedisError as cause:
                    raise error from cause
            raise
        finally:
            await self.aclose()


def client(url: str, **options: Any) -> redis.Redis:
    """Return a client. `options` are redis-py's. Raises ValueError for an invalid URL."""
    if not (found := BY_SENTINELS.fullmatch(url)):
        return redis.Redis.from_url(url, **options)
    hosts, for_sentinels, of_primary = _parts(found)
    sentinels = _Sentinels(hosts, sentinel_kwargs=for_sentinels)
    return sentinels.master_for(found[4], **options | of_primary)


def async_client(url: str, **options: Any) -> redis.asyncio.Redis:
    """The same for asyncio."""
    if not (found := BY_SENTINELS.fullmatch(url)):
        return redis.asyncio.Redis.from_url(url, **options)
    hosts, for_sentinels, of_primary = _parts(found)
    sentinels = _AsyncSentinels(hosts, sentinel_kwargs=for_sentinels)
    return sentinels.master_for(found[4], **options | of_primary)


def _parts(found: re.Match[str]) -> tuple[list[tuple[str, int]], dict[str, Any], dict[str, Any]]:
    """Return the sentinels, the options for them, and those for the primary. Raises ValueError."""
    scheme, user, hosts, _, database, query = found.groups("")
    split = [urlsplit(f"//{host}") for host in hosts.split(",")]
    of_primary = parse_url(f"{scheme}://{user}{database}{query}")
    of_primary.pop("connection_class", None)
    of_primary["ssl"] = scheme == "rediss"
    for_sentinels = {
        "socket_timeout": SENTINEL_TIMEOUT_S,
        "socket_connect_timeout": SENTINEL_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        **{name: value for name, value in of_primary.items() if name.startswith("ssl")},
    }
    for name in ("username", "password"):  # sentinels have users of their own
        for_sentinels[name] = of_primary.pop(f"sentinel_{name}", None)
    return [(part.hostname or "", part.port or SENTINEL_PORT) for part in split], for_sentinels, of_primary
