"""The whole system on a Redis that sentinels watch, whose primary dies."""

import os
from collections.abc import Iterator

import pytest

from support.services.redis_sentinels import RedisSentinels
from support.system.up import Up
from support.webrtc.peers import Client, until


@pytest.fixture
def sentinels(tmp_path) -> Iterator[RedisSentinels]:
    folder = tmp_path / "redis"
    folder.mkdir()
    sentinels = RedisSentinels(folder)
    sentinels.start()
    yield sentinels
    sentinels.stop()


async def test_looks_go_on_and_no_role_ends_when_the_primary_and_a_sentinel_die(sentinels, tmp_path):
    folder = tmp_path / "up"
    folder.mkdir()
    up = Up(folder, environment={**os.environ, "MVS_REDIS_URL": sentinels.url})
    try:
        up.wait_ready()
        client = Client(up.url)
        await client.open()
        await until(lambda: bool(client.grids))
        await until(lambda: all(role["processes"] for role in up.get("/status.json")[1]["roles"]), timeout_s=60)
        before = {part.pid for part in up.parts()}

        sentinels.kill_sentinel()
        sentinels.first.kill()

        seen = len(client.grids)
        await until(lambda: len(client.grids) > seen + 3, timeout_s=60)
        await until(lambda: up.get("/readyz")[0] == 200)
        await client.close()
        assert {part.pid for part in up.parts()} == before
    finally:
        up.stop()
