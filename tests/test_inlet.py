"""Answers that come through the short way, from a real peer of aiortc's own."""
import asyncio
import random
from types import SimpleNamespace

import pytest
from aiortc import RTCPeerConnection, RTCSctpTransport

from clients import inlet
from peers import until

#: As long as an answer's first part, in 14 packets; one that fits into one; some of two.
MESSAGES = [bytes([number]) * size for number, size in enumerate((16_000, 5, 2000, 16_000, 1200))]


@pytest.fixture
async def pair():
    """A peer that sends, its channel, and one that receives through the short way."""
    near, far = RTCPeerConnection(), RTCPeerConnection()
    channel = near.createDataChannel("frames", ordered=False)
    received = []
    far.on("datachannel", lambda other: other.on("message", received.append))
    await near.setLocalDescription(await near.createOffer())
    await far.setRemoteDescription(near.localDescription)
    await far.setLocalDescription(await far.createAnswer())
    await near.setRemoteDescription(far.localDescription)
    await until(lambda: channel.readyState == "open")
    inlet.shorten(far.sctp)
    yield SimpleNamespace(near=near.sctp, channel=channel, far=far.sctp, received=received)
    await near.close()
    await far.close()


def counting(monkeypatch) -> list[tuple[RTCSctpTransport, str]]:
    """Who sends what kind of chunk from here on."""
    sent, stock = [], RTCSctpTransport._send_chunk

    async def send_chunk(self, chunk) -> None:
        sent.append((self, type(chunk).__name__))
        await stock(self, chunk)

    monkeypatch.setattr(RTCSctpTransport, "_send_chunk", send_chunk)
    return sent


async def test_messages_arrive_and_half_of_the_packets_are_acknowledged(pair, monkeypatch):
    sent = counting(monkeypatch)

    for message in MESSAGES:
        pair.channel.send(message)
    await until(lambda: len(pair.received) == len(MESSAGES) and not pair.near._sent_queue)

    assert sorted(pair.received) == sorted(MESSAGES)
    assert sent.count((pair.near, "DataChunk")) == 14 + 1 + 2 + 14 + 2
    assert sent.count((pair.far, "SackChunk")) == 7 + 1 + 1 + 7 + 1


async def test_what_gets_lost_is_acknowledged_as_missing_at_once_and_comes_again(pair, monkeypatch):
    """One datagram in ten; the sender learns of it from the third packet behind it."""
    loss, send = random.Random(3), pair.near.transport.transport._send

    async def sometimes(data: bytes) -> None:
        if len(data) < 1000 or loss.random() > 0.1:
            await send(data)

    monkeypatch.setattr(pair.near.transport.transport, "_send", sometimes)
    for message in 4 * MESSAGES:
        pair.channel.send(message)

    await until(lambda: len(pair.received) == 4 * len(MESSAGES))
    assert sorted(pair.received) == sorted(4 * MESSAGES)


async def test_a_peer_that_leaves_ends_the_connection(pair):
    gone = asyncio.Event()
    pair.far.transport.on("statechange", gone.set)

    await pair.near.transport.stop()

    await asyncio.wait_for(gone.wait(), 20)
    assert pair.far.transport.state == "closed"


async def test_what_comes_before_there_is_a_channel_is_no_trouble(pair):
    def datagrams() -> int:
        return pair.far.transport._get_stats()[pair.far.transport._stats_id].packetsReceived

    pair.far.transport._data_receiver, before = None, datagrams()
    pair.channel.send("too early")
    await until(lambda: datagrams() > before)
    pair.far.transport._data_receiver = pair.far
    pair.near._rto = 0.05
    pair.near._t3_restart()

    await until(lambda: pair.received)
    assert pair.far.transport.state == "connected"
