import asyncio
import gc
import importlib.metadata
import socket
from collections.abc import AsyncIterator

import pytest
from aiortc import rtcsctptransport
from hypothesis import given
from hypothesis import strategies as st

from pipeline.webrtc.transport import hardening
from support.impairment import Impaired
from support.peers import Client, Running, restored_afterwards, until

#: A DTLS 1.2 record that begins a handshake, cut short.
CLIENT_HELLO = bytes.fromhex("16fefd0000000000000000003601000030000000000000003000fefd") + bytes(40)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    restored_afterwards(monkeypatch)
    hardening.install()


@pytest.fixture
async def unheard() -> AsyncIterator[list[dict]]:
    """What tasks failed with that nobody awaits."""
    found: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    yield found


def test_the_guards_are_written_for_the_installed_aiortc():
    """A new minor version: look whether the holes are still there."""
    assert importlib.metadata.version("aiortc").startswith("1.16.")
    assert importlib.metadata.version("aioice").startswith("0.13.")


@pytest.mark.parametrize("body", [b"\0\1\0\0", b"\0\1\0\3abcd", b"\0\1\0\x09abcd", b"\0\1\0\x08abcd\0\1\0\0"])
def test_a_parameter_that_would_loop_or_overrun_is_refused(body):
    with pytest.raises(ValueError):
        rtcsctptransport.decode_params(body)


@given(st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=9)), max_size=5))
def test_good_parameters_are_read_as_before(params):
    assert rtcsctptransport.decode_params(rtcsctptransport.encode_params(params)) == params


@given(st.binary(max_size=200))
def test_any_bytes_end(body):
    try:
        rtcsctptransport.decode_params(body)
    except ValueError:
        return


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
