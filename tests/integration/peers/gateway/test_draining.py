"""A gateway that is about to stop: it takes nobody any more, and its clients move to another one by themselves."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from clients.net.connection import Connection
from clients.net.reconnecting import ReconnectingClient
from pipeline.contract.control import Move
from pipeline.contract.errors import Busy
from pipeline.gateway.open_sessions import STOPPING
from pipeline.styles.catalog import shipped
from support.webrtc.peers import Client, ColourCamera, Running, until


@pytest.fixture
async def other(redis_url, web_root) -> AsyncIterator[Running]:
    """The gateway that takes the place of another one."""
    async with Running(redis_url, web_root) as gateway:
        yield gateway


async def test_it_is_not_ready_and_refuses_offers_but_serves_who_is_there(running, edge):
    async with running.http.get("/readyz") as response:
        assert (await response.json())["waiting_for"] != "nothing: it is about to stop"
    client = Client(running.url)
    await client.open()
    draining = asyncio.create_task(running.gateway.drain(60))
    await until(lambda: client.of(Move))

    async with running.http.get("/readyz") as response:
        assert (response.status, await response.json()) == (
            503,
            {"ready": False, "waiting_for": "nothing: it is about to stop"},
        )
    async with running.http.get("/healthz") as response:
        assert response.status == 200
    late = Client(running.url)
    with pytest.raises(Busy) as refusal:
        await late.open()
    assert (str(refusal.value), refusal.value.retry_after_s) == (STOPPING, 1.0)
    answered = len(client.grids)
    await until(lambda: len(client.grids) > answered)

    await client.close()
    await late.close()
    await draining  # it ends as soon as the last client has left


async def test_clients_move_to_another_gateway_and_get_looks_there(running, other, edge):
    addresses, streams = [running.url, other.url], []
    camera = ColourCamera((200, 40, 90), (320, 240))

    def connect() -> Connection:
        """As a balancer would lead it: to the first gateway that takes offers."""
        return Connection(
            addresses[0], on_grid=lambda header, grid: streams.append(header["frame_id"]), on_control=lambda _: None
        )

    client = ReconnectingClient(connect, camera, size=camera.size, style=shipped()[0].id)
    await client.open()
    await until(lambda: bool(streams))

    addresses.reverse()
    await running.gateway.drain(60)

    assert len(running.gateway._sessions) == 0
    await until(lambda: len(other.gateway._sessions) == 1)
    before = len(streams)
    await until(lambda: len(streams) > before)
    await client.close()


async def test_it_waits_no_longer_than_it_may_for_clients_that_stay(running, edge):
    client = Client(running.url)
    await client.open()

    await running.gateway.drain(0.5)

    assert len(running.gateway._sessions) == 1
    await client.close()


async def test_without_clients_it_stops_at_once(running):
    await running.gateway.drain(3600)
