"""Reads a gateway's answers from their Redis stream, whatever happens to Redis and whatever stands in the stream."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import redis
import redis.asyncio

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import PreviewGrids, StylizedFrame
from pipeline.queues.redis_clients import async_client
from pipeline.queues.redis_errors import Outage, kind
from pipeline.queues.redis_streams import entries

logger = logging.getLogger(__name__)

#: A read waits this long for answers. Its time-out is longer, so that it expires only if Redis hangs.
READ_BLOCK_MS, READ_TIMEOUT_S = 1_000, 3.0


async def answers(
    redis_url: str, gateway_id: str, outage: Outage, on_refused: Callable[[], None]
) -> AsyncGenerator[StylizedFrame | PreviewGrids, None]:
    """Yield every answer to a gateway, for ever; it survives outages of Redis and wrong data in it.

    `outage` is told of each error of Redis, and `on_refused` is called for each unreadable answer.
    """
    key, last = redis_keys.results(gateway_id), b"0"
    client = async_client(redis_url, socket_timeout=None, retry=None)
    try:
        while True:
            try:
                async with answered_in(READ_TIMEOUT_S):
                    found: Any = await client.xread({key: last}, redis_keys.RESULTS_MAXLEN, READ_BLOCK_MS)
                    if not found and await beyond(client, key, last):
                        last = b"0"
                outage.ended()
            except redis.RedisError as error:
                pause_s = outage.failed(error)
                await _drop_if_wrong(client, key, error)
                await asyncio.sleep(pause_s)
                continue
            for last, fields in entries(found[0][1]) if found else ():
                try:
                    yield _answer_in(fields)
                except BadMessage as error:
                    logger.info("an answer was refused: %s", error)
                    on_refused()
    finally:
        await client.aclose()


def _answer_in(fields: dict[bytes, bytes]) -> StylizedFrame | PreviewGrids:
    """Parse an entry of the stream; raises BadMessage."""
    if previews := fields.get(b"previews"):
        return PreviewGrids.unpack(previews)
    return StylizedFrame.unpack(fields.get(b"frame", b""))


@contextlib.asynccontextmanager
async def answered_in(timeout_s: float) -> AsyncGenerator[None, None]:
    """Raise redis.TimeoutError if Redis does not answer within `timeout_s`.

    redis-py's own time-outs lose a cancellation that comes while something is sent, as asyncio.wait_for does.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise redis.TimeoutError("Redis does not answer in time.") from None


async def beyond(client: redis.asyncio.Redis, key: str, last: bytes) -> bool:
    """Return whether `last` is beyond the stream's newest id, because the stream was deleted and started anew."""
    try:
        newest = (await client.xinfo_stream(key))["last-generated-id"]
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return True
        raise
    return place(newest) < place(last)


def place(entry_id: bytes) -> tuple[int, int]:
    """Return an entry's id as two numbers, by which entries are ordered."""
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number or 0)


async def _drop_if_wrong(client: redis.asyncio.Redis, key: str, error: redis.RedisError) -> None:
    """Delete the key if the error says that it is no stream; it would block ours for ever."""
    if kind(error) == "type":
        with contextlib.suppress(redis.RedisError):
            async with answered_in(READ_TIMEOUT_S):
                await client.unlink(key)
