"""ICE between many ends, with strangers about."""

import asyncio
import random
from types import SimpleNamespace

import pytest
from aioice import ice

from pipeline.monitoring.monitor import counted
from support.webrtc.ice_ends import CLIENT_HELLO, stranger, two

pytestmark = pytest.mark.patched_only("the limits of ICE")


LATE_S = 0.2


def delay_ipv4(end: ice.Connection, delay_s: float) -> None:
    """Have what it sends over IPv4 arrive late."""
    for protocol in end._protocols:
        if "." in protocol.local_candidate.host:
            send = protocol.transport.sendto

            def later(data: bytes, address: tuple, send=send, transport=protocol.transport) -> None:
                loop = asyncio.get_running_loop()
                loop.call_later(delay_s, lambda: transport.is_closing() or send(data, address))

            protocol.transport = SimpleNamespace(sendto=later, close=protocol.transport.close)


async def is_heard(start_s: float) -> bool:
    """Whether two ends with two addresses each connect, and hear each other from then on."""
    async with two(["127.0.0.1", "::1"]) as ends:
        delay_ipv4(ends.far, LATE_S)
        await asyncio.gather(connect_after(ends.near, start_s), ends.far.connect())
        for _ in range(10):
            await asyncio.gather(ends.near.send(CLIENT_HELLO), ends.far.send(CLIENT_HELLO))
            await asyncio.sleep(LATE_S / 10)
        try:
            async with asyncio.timeout(5):
                heard = [[await end.recv() for _ in range(10)] for end in (ends.near, ends.far)]
                return heard == 2 * [10 * [CLIENT_HELLO]]
        except TimeoutError:
            return False


async def connect_after(end: ice.Connection, start_s: float) -> None:
    """The answer takes some time to the peer that offers."""
    await asyncio.sleep(start_s)
    await end.connect()


async def test_peers_hear_each_other_whatever_pair_each_of_them_nominates():
    moments = random.Random(0)

    heard = await asyncio.gather(*(is_heard(moments.uniform(0, 2 * LATE_S)) for _ in range(30)))

    assert heard == 30 * [True]


async def test_strangers_are_not_heard_whatever_they_send(webrtc):
    """Neither before two ends are connected nor afterwards, and 100 of 100 connect."""

    async def one() -> bool:
        async with two() as ends:
            with stranger(ends.port) as send:
                connecting = asyncio.gather(ends.near.connect(), ends.far.connect())
                while not connecting.done():
                    send(CLIENT_HELLO)
                    await asyncio.sleep(0)
                for data in (CLIENT_HELLO, b"", b"\0", b"\0\1", b"\0\1" + bytes(18), b"\x80" * 30):
                    send(data)
                await ends.near.send(CLIENT_HELLO + b"peer's")
                return await ends.far.recv() == CLIENT_HELLO + b"peer's" and ends.far._queue.empty()

    assert [await one() for _ in range(100)] == 100 * [True]
    assert counted(webrtc.refused.labels("stranger")) >= 100 and counted(webrtc.refused.labels("stun")) > 0
