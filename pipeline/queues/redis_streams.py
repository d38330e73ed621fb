"""Reads and writes our streams in Redis so that wrong data in them, written by others, stops nothing for good."""

import logging
from typing import Any, cast

import redis

logger = logging.getLogger(__name__)

#: How many entries are read from the end. A genuine entry is hidden only by as many entries of rubbish after it.
WALKED = 64
#: How much memory of Redis a stream of snapshots may take. Our entries are less than a kilobyte each.
MAX_STREAM_BYTES = 1 << 20

Fields = dict[bytes, bytes]
#: Words of Redis' error if a key holds another type, or if no id is possible after a stream's last one.
SPOILT = ("WRONGTYPE", "equal or smaller than the target stream top item", "exhausted the last possible ID")


def append(connection: redis.Redis, key: str, fields: dict[str, bytes], *, maxlen: int, ttl_s: int) -> None:
    """Add an entry, and remove the oldest ones beyond `maxlen`. A key that takes no entry is deleted first.

    Raises redis.RedisError.
    """
    try:
        _append(connection, key, fields, maxlen, ttl_s)
    except redis.ResponseError as error:
        make_anew(connection, key, error)
        _append(connection, key, fields, maxlen, ttl_s)


def recent(connection: redis.Redis, key: str) -> list[tuple[bytes, Fields]]:
    """Return the last entries, newest first; none if the key holds another type or too much.

    Raises redis.RedisError.
    """
    try:
        return [] if _too_large(connection, key) else entries(connection.xrevrange(key, count=WALKED))
    except redis.ResponseError as error:
        if not is_spoilt(error):
            raise
        return []


def taken(
    connection: redis.Redis, key: str, group: str, consumer: str, *, again: bool, block_ms: int, count: int
) -> list[tuple[bytes, Fields]]:
    """Return new entries for a group's only consumer, or with `again` those that it took but did not acknowledge.

    A key that cannot be read is replaced by an empty stream. Raises redis.RedisError.
    """
    try:
        if _too_large(connection, key):
            connection.delete(key)
        start: Any = {key: "0" if again else ">"}
        streams: Any = connection.xreadgroup(group, consumer, start, count=count, block=block_ms)
    except redis.ResponseError as error:
        if "NOGROUP" not in str(error):
            make_anew(connection, key, error)
        connection.xgroup_create(key, group, id="0", mkstream=True)
        return []
    return [entry for _, found in streams or () for entry in found]


def entries(found: object) -> list[tuple[bytes, Fields]]:
    """Give redis-py's answer the type that it has if answers are not decoded."""
    return cast(list[tuple[bytes, Fields]], found or [])


def make_anew(connection: redis.Redis, key: str, error: redis.ResponseError) -> None:
    """Delete a key that the error says is not our stream any more; raises the error if it says something else."""
    if not is_spoilt(error):
        raise error
    logger.warning("%s is no stream of ours any more: it is restarted", key)
    connection.delete(key)


def is_spoilt(error: redis.ResponseError) -> bool:
    return any(words in str(error) for words in SPOILT)


def _append(connection: redis.Redis, key: str, fields: dict[str, bytes], maxlen: int, ttl_s: int) -> None:
    with connection.pipeline() as pipe:
        pipe.xadd(key, cast(Any, fields), maxlen=maxlen, approximate=False)
        pipe.expire(key, ttl_s)
        pipe.execute()


def _too_large(connection: redis.Redis, key: str) -> bool:
    return (connection.memory_usage(key, samples=0) or 0) > MAX_STREAM_BYTES
