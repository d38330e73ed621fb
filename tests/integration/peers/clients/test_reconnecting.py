"""A client whose gateway goes away and comes back, on real connections."""

import asyncio

import pytest

from clients.net import connection, reconnecting
from clients.net.connection import Connection
from clients.net.reconnecting import ReconnectingClient, retry_delay_s
from pipeline.contract.errors import Busy, MVStylizerError
from pipeline.styles.catalog import shipped
from support.webrtc.peers import ColourCamera, Running, until
from workers.process.redis_server import free_port


@pytest.fixture
def gateway(redis_url, tmp_path):
    """A function that starts a gateway, at the same address each time."""
    port = free_port()
    return lambda **settings: Running(redis_url, tmp_path, port=port, **settings)


@pytest.fixture
def grids():
    return []


@pytest.fixture
def lasting_connection(grids):
    def make(url: str) -> ReconnectingClient:
        def connect():
            return Connection(url, on_grid=lambda _, grid: grids.append(grid), on_control=lambda _: None)

        camera = ColourCamera((90, 120, 150), (320, 240))
        return ReconnectingClient(connect, camera, size=camera.size, style=shipped()[0].id)

    return make


async def test_a_gateway_that_comes_back_finds_its_client(gateway, edge, grids, lasting_connection):
    async with gateway() as running:
        client = lasting_connection(running.url)
        await client.open()
        await until(lambda: len(grids) >= 2)
    camera, seen = client._camera, len(grids)
    sent = camera.count
    await until(lambda: camera.count > sent + 10)  # the camera does not stop meanwhile

    async with gateway():
        await until(lambda: len(grids) >= seen + 2)
        await client.close()


async def test_a_gateway_that_becomes_silent_is_given_up(gateway, edge, grids, lasting_connection, monkeypatch):
    monkeypatch.setattr(connection, "SILENCE_S", 0.5)
    monkeypatch.setattr("pipeline.gateway.session.WATCH_S", 0.1)
    async with gateway(key_frame_interval_s=1.0) as running:  # an answer is a sign of life, too
        client = lasting_connection(running.url)
        await client.open()
        await until(lambda: len(grids) >= 2)
        first = client._connection
        assert not first.lost.is_set()

        for session in running.gateway._sessions.values():
            monkeypatch.setattr(session._control, "send", lambda message: None)

        await until(lambda: client._connection is not first and len(grids) >= 4)
        await client.close()


async def test_a_full_gateway_says_when_to_come_back(gateway, edge, grids, lasting_connection):
    async with gateway(max_sessions=1) as running:
        inside, outside = lasting_connection(running.url), lasting_connection(running.url)
        await inside.open()

        with pytest.raises(Busy, match="places") as refusal:
            await outside.open()

        assert refusal.value.retry_after_s == 5
        await asyncio.gather(inside.close(), outside.close())


async def test_who_was_never_in_is_told_so_at_once(lasting_connection):
    client = lasting_connection(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(MVStylizerError, match="No gateway answers"):
        await client.open()

    await client.close()


def test_retries_come_later_and_later_but_within_seconds():
    assert [retry_delay_s(attempt, 1) for attempt in range(6)] == [0.5, 1, 2, 4, 4, 4]
    assert all(retry_delay_s(attempt, 0) == retry_delay_s(attempt, 1) / 2 for attempt in range(6))
    assert reconnecting.LAST_RETRY_S <= 4
