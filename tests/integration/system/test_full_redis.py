"""Promise 10: the effects of a full Redis, with stub workers."""

import asyncio
import json
import secrets
import time
import urllib.request

import pytest
import redis

from clients.load.cli import scrape
from support.system.crew import Crew
from support.webrtc.peers import Client, until

#: The time that a busy machine may need beyond the second that is promised.
SLACK_S = 4.0


@pytest.fixture
def crew(tmp_path):
    with Crew(tmp_path, stub_ms=5, MVS_KEY_FRAME_INTERVAL_S="0.5") as crew:
        yield crew


def fill(connection: redis.Redis, expires_s: int | None) -> None:
    """Fill Redis to the last kilobyte: with keys that expire, until some are evicted, or with keys that do not."""
    for size in (1 << 20, 1 << 14, 1 << 10):
        for _ in range(1000):
            before = connection.info("stats")["evicted_keys"]
            try:
                connection.set(f"ballast:{secrets.token_hex(8)}", bytes(size), ex=expires_s)
            except redis.exceptions.OutOfMemoryError:
                break
            if expires_s and connection.info("stats")["evicted_keys"] > before:
                return


async def keep_full(connection: redis.Redis, enough: asyncio.Event) -> None:
    """Keep Redis full, since keys that expire make room again and again."""
    while not enough.is_set():
        await asyncio.to_thread(fill, connection, None)
        await asyncio.sleep(0.05)


def dropped(crew: Crew) -> float:
    """The key frames that were not queued, or not answered because they were evicted before a worker took them."""
    return scrape(crew.url, None).total("mvs_key_frames_dropped_total")


async def test_a_redis_full_of_what_expires_makes_room_for_key_frames(crew):
    """Promise 10: keys that nobody needs any more are evicted first, and nobody notices."""
    client = Client(crew.url)
    with redis.Redis.from_url(crew.redis_url) as connection:
        await client.open()
        await until(lambda: len(client.grids) >= 2, timeout_s=30)

        await asyncio.to_thread(fill, connection, 3600)
        seen = len(client.grids)

        await until(lambda: len(client.grids) >= seen + 4)
    await client.close()


async def test_a_redis_without_any_room_costs_key_frames_and_nothing_else(crew):
    """Promise 10: nothing crashes, frames are dropped and counted, and looks come back by themselves."""
    client = Client(crew.url)
    with redis.Redis.from_url(crew.redis_url) as connection:
        await client.open()
        await until(lambda: len(client.grids) >= 2, timeout_s=30)
        parts = {name: crew.process(name).pid for name in ("gateway", "worker 0", "redis")}

        enough = asyncio.Event()
        filling = asyncio.create_task(keep_full(connection, enough))
        await until(lambda: dropped(crew) >= 3, timeout_s=60)
        video = client.camera.count
        with urllib.request.urlopen(f"{crew.url}/healthz", timeout=5) as response:
            assert json.load(response)["sessions"] == 1
        enough.set()
        await filling
        keys = list(connection.scan_iter("ballast:*", count=1000))
        connection.delete(*keys)
        back_s, seen = time.monotonic(), len(client.grids)
        await until(lambda: len(client.grids) > seen, timeout_s=1 + SLACK_S)

    print(f"looks again after {time.monotonic() - back_s:.2f} s")
    assert client.camera.count > video  # the session never ended
    assert {name: crew.process(name).pid for name in parts} == parts
    await client.close()
