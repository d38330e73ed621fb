import asyncio
import importlib.metadata
import socket

import pytest
from aioice.ice import StunProtocol
from aiortc import rtcsctptransport
from hypothesis import given
from hypothesis import strategies as st

from impairment import Impaired
from peers import Client, Running, until
from pipeline import guards

#: A DTLS 1.2 record that begins a handshake, cut short.
CLIENT_HELLO = bytes.fromhex("16fefd0000000000000000003601000030000000000000003000fefd") + bytes(40)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(StunProtocol, "datagram_received", StunProtocol.datagram_received)
    guards.install()


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
