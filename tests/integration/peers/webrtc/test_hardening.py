"""Handshakes that strangers disturb, and sessions that end amid something."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator

import pytest

from support.webrtc.ice_ends import CLIENT_HELLO
from support.webrtc.impairment import Impaired
from support.webrtc.peers import Client, Running, until

pytestmark = pytest.mark.patched_only("errors of aiortc that are mended")


@pytest.fixture
async def unheard() -> AsyncIterator[list[dict]]:
    """What tasks failed with that nobody awaits."""
    found: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    yield found


async def test_strangers_cannot_disturb_a_handshake(redis_url, tmp_path, edge):
    async with Running(redis_url, tmp_path) as running, Impaired(running.url, delay_s=0.05) as path:
        client = Client(path.url)
        opening = asyncio.create_task(client.open())
        await until(lambda: path.gateway is not None)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            while not opening.done():
                stranger.sendto(CLIENT_HELLO, path.gateway)
                stranger.sendto(b"\0\1", path.gateway)
                await asyncio.sleep(0.01)

        await opening
        await until(lambda: client.grids)
        await client.close()


async def test_a_timer_that_rings_while_a_session_closes_is_no_trouble(redis_url, tmp_path, edge, unheard):
    async with Running(redis_url, tmp_path) as running, Impaired(running.url) as path:
        client = Client(path.url)
        stream_id = await client.open()
        await until(lambda: client.grids)
        session = running.gateway._sessions[stream_id]
        sctp, stop = session._peer.sctp, session._peer.sctp.stop
        path.outage = True
        await until(lambda: sctp._sent_queue)  # nobody acknowledges what it says each second

        async def ring_and_stop() -> None:
            sctp._t3_expired()
            await stop()

        sctp.stop = ring_and_stop
        await session.close()
        await client.close()

    gc.collect()
    assert unheard == []


async def test_a_session_may_be_closed_amid_its_handshake(redis_url, tmp_path, unheard):
    async with Running(redis_url, tmp_path) as running, Impaired(running.url, delay_s=0.1) as path:
        client = Client(path.url)
        opening = asyncio.create_task(client.open())
        await until(lambda: running.gateway._sessions)
        (session,) = running.gateway._sessions.values()
        await until(lambda: session._peer.sctp and session._peer.sctp.transport.state == "connecting")
        dtls = session._peer.sctp.transport
        ice, close_ice = dtls.transport._connection, dtls.transport._connection.close

        async def close_late() -> None:
            await until(lambda: dtls.state != "connecting")
            await close_ice()

        ice.close = close_late
        await session.close()
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await client.close()

    gc.collect()
    assert unheard == []
