"""Attacks by a peer with data channels."""

import asyncio
import json
import time
from collections.abc import Callable

import redis
from aiortc.rtcsctptransport import DataChunk

from pipeline.contract import redis_keys
from pipeline.contract.messages import TrainingSample
from security.fort import Target, picture
from security.offers import kept
from security.peer import Peer, connected

FIRST, LAST, UNORDERED = 2, 1, 4


async def control_open(peer: Peer) -> None:
    async with asyncio.timeout(5):
        while peer.control.readyState != "open":
            await asyncio.sleep(0.02)


async def one_byte_chunks(target: Target) -> str:
    """1,100 SCTP chunks of one byte a second, of messages that never end."""
    return await chunks(target, lambda number: FIRST | UNORDERED if number % 64 == 0 else UNORDERED)


async def gaps_in_chunks(target: Target) -> str:
    """1,100 chunks a second, of which every other one never comes: each opens one more gap to report."""
    return await chunks(target, lambda _: FIRST | LAST | UNORDERED, ahead=2)


async def chunks(target: Target, flags: Callable[[int], int], ahead: int = 1) -> str:
    """Send chunks of one byte, each numbered `ahead` of the one before. `flags` takes a chunk's number."""
    async with connected(target) as peer:
        await control_open(peer)
        sctp = peer.control.transport
        for number in range(1100 * 4):
            chunk = DataChunk(flags=flags(number))
            chunk.tsn, chunk.stream_id, chunk.protocol, chunk.user_data = sctp._local_tsn, 1, 51, b"x"
            sctp._local_tsn = (sctp._local_tsn + ahead) % 2**32
            await sctp._send_chunk(chunk)
            await asyncio.sleep(1 / 1100)
    return await kept(target)


async def control_flood(target: Target) -> str:
    """A thousand control messages a second: garbage, long ones, and unknown styles."""
    words = (
        "{",
        "[" * 4000,
        "x" * 5000,
        json.dumps({"type": "style", "style": "unknown"}),
        json.dumps({"type": "key_frame"}),
        json.dumps({"type": "size", "width": 4096, "height": 4096}),
    )
    async with connected(target) as peer:
        await control_open(peer)
        end_s, number = time.monotonic() + 4, 0
        while time.monotonic() < end_s and peer.control.readyState == "open":
            if peer.control.bufferedAmount < 1 << 16:
                peer.control.send(words[number % len(words)])
                number += 1
            await asyncio.sleep(0.001)
    return await kept(target)


def fill_samples(target: Target, edge: str = "edge") -> None:
    """Fill the shared samples, as if somebody else had shared as many as are kept."""
    with redis.Redis.from_url(target.redis_url) as connection, connection.pipeline() as pipe:
        for number in range(redis_keys.SAMPLES_MAXLEN):
            sample = TrainingSample("c" * 16, "0" * 16, picture(number % 16, (100, 100)))
            pipe.xadd(
                redis_keys.samples(edge),
                {"by": sample.shared_by, "sample": sample.pack()},
                maxlen=redis_keys.SAMPLES_MAXLEN,
                approximate=False,
            )
        pipe.execute()


async def share_flood(target: Target) -> str:
    """Sharing is switched as fast as a channel allows, with much shared already; before, each switch read it all."""
    fill_samples(target)
    async with connected(target) as peer:
        await control_open(peer)
        end_s, number = time.monotonic() + 5, 0
        while time.monotonic() < end_s and peer.control.readyState == "open":
            if peer.control.bufferedAmount < 1 << 16:
                peer.control.send(json.dumps({"type": "share", "on": number % 2 == 0, "by": f"{number:016x}"}))
                number += 1
            await asyncio.sleep(0.002)
    with redis.Redis.from_url(target.redis_url) as connection:
        names = ("mvs:withdrawn:*", "mvs:consent:*", "mvs:shared:*")
        marks = sum(1 for name in names for _ in connection.scan_iter(name, count=10_000))
        connection.delete(redis_keys.samples("edge"))
    return f"{marks} names of who shared or withdrew are kept for a day" if marks > 200 else ""


async def many_channels(target: Target) -> str:
    """Two thousand data channels, of which two are ours."""
    async with connected(target) as peer:
        await control_open(peer)
        for number in range(2000):
            try:
                peer._peer.createDataChannel(f"extra {number}")
            except (ValueError, ConnectionError):
                break
            if number % 10 == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(1)
    return await kept(target)
