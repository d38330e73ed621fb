"""Answers that come through the fast channel, from a real peer of aiortc's own."""

import asyncio
import random
from types import SimpleNamespace

import pytest
from aiortc import RTCPeerConnection, RTCSctpTransport

from clients.net import fast_data_channel
from support.webrtc.peers import until

pytestmark = pytest.mark.patched_only("the fast data channel")


#: A message as long as an answer's first chunk, in 14 packets; one of a single packet; some of two packets.
MESSAGES = [bytes([number]) * size for number, size in enumerate((16_000, 5, 2000, 16_000, 1200))]


@pytest.fixture
async def pair():
    """A peer that sends, its channel, and a peer that receives through the fast channel."""
    near, far = RTCPeerConnection(), RTCPeerConnection()
    channel = near.createDataChannel("frames", ordered=False)
    received = []
    far.on("datachannel", lambda other: other.on("message", received.append))
    await near.setLocalDescription(await near.createOffer())
    await far.setRemoteDescription(near.localDescription)
    await far.setLocalDescription(await far.createAnswer())
    await near.setRemoteDescription(far.localDescription)
    await until(lambda: channel.readyState == "open")
    fast_data_channel.attach(far.sctp)
    yield SimpleNamespace(near=near.sctp, channel=channel, far=far.sctp, received=received)
    await near.close()
    await far.close()


def counting(monkeypatch) -> list[tuple[RTCSctpTransport, str]]:
    """Counts the kinds of chunks that each peer receives from now on, without the fast channel's data."""
    received, stock = [], RTCSctpTransport._receive_chunk

    async def receive_chunk(self, chunk) -> None:
        received.append((self, type(chunk).__name__))
        await stock(self, chunk)

    monkeypatch.setattr(RTCSctpTransport, "_receive_chunk", receive_chunk)
    return received


async def test_messages_arrive_and_half_of_the_packets_are_acknowledged(pair, monkeypatch):
    stock = counting(monkeypatch)

    for message in MESSAGES:
        pair.channel.send(message)
    await until(lambda: len(pair.received) == len(MESSAGES) and not pair.near._sent_queue)

    assert sorted(pair.received) == sorted(MESSAGES)
    assert stock.count((pair.near, "SackChunk")) == 7 + 1 + 1 + 7 + 1
    assert (pair.far, "DataChunk") not in stock


async def test_what_gets_lost_is_acknowledged_as_missing_at_once_and_comes_again(pair, monkeypatch):
    """One datagram in ten is lost; the sender learns of it when the third packet after it arrives."""
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
