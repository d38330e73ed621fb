"""Streams of ours in Redis, read and written so that whatever somebody else puts there stops nothing for good."""

import logging
from typing import Any, cast

import redis

logger = logging.getLogger(__name__)

#: This many entries are read from the end. Somebody who writes rubbish must write as much to hide what is before it.
WALKED = 64
#: What a stream of snapshots may take in Redis, all entries together; ours are less than a kilobyte each.
MAX_STREAM_BYTES = 1 << 20

Fields = dict[bytes, bytes]
#: What Redis answers where a key is another kind of thing, or where no id comes after the last one.
SPOILT = ("WRONGTYPE", "equal or smaller than the target stream top item", "exhausted the last possible ID")


def append(connection: redis.Redis, key: str, fields: dict[str, bytes], *, maxlen: int, ttl_s: int) -> None:
    """Add an entry, the oldest make room. A key that takes none is made anew, and what was in it is lost.

    Raises redis.RedisError.
    """
    try:
        _append(connection, key, fields, maxlen, ttl_s)
    except redis.ResponseError as error:
        make_anew(connection, key, error)
        _append(connection, key, fields, maxlen, ttl_s)


def recent(connection: redis.Redis, key: str) -> list[tuple[bytes, Fields]]:
    """The last entries, newest first; none where the key holds something else, or more than it may.

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
    """Entries for a group's only consumer: those that come in, or `again` those that it took and did not acknowledge.

    A key that cannot be read is made anew. Raises redis.RedisError.
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
    """What redis-py returns of a stream, typed as it is where answers are not decoded."""
    return cast(list[tuple[bytes, Fields]], found or [])


def make_anew(connection: redis.Redis, key: str, error: redis.ResponseError) -> None:
    """Delete a key that is none of ours any more. Raises the error where that is not what it says."""
    if not is_spoilt(error):
        raise error
    logger.warning("%s is no stream of ours any more: it begins anew", key)
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
