"""Messages through the fast data channel, from a real peer of plain aiortc."""

import asyncio
import random
from types import SimpleNamespace

import pytest
from aiortc import RTCPeerConnection, RTCSctpTransport
from aiortc.rtcsctptransport import DataChunk, SackChunk, parse_packet, serialize_packet
from hypothesis import given
from hypothesis import strategies as st

from clients.net import fast_data_channel
from pipeline.webrtc.internals.sctp import OpenSctpTransport
from support.peers import until

#: A message as long as an answer's first chunk, in 14 packets; one of a single packet; some of two packets.
MESSAGES = [bytes([number]) * size for number, size in enumerate((16_000, 5, 2000, 16_000, 1200))]


@pytest.fixture
async def pair(patched):
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


FIRST, TAG = 2**32 - 3, 0xCAFEBABE
#: A message's stream, whether it is ordered, and its number of parts.
messages = st.lists(st.tuples(st.integers(0, 1), st.booleans(), st.integers(1, 5)), min_size=1, max_size=6)
#: Mostly the next packet comes; or one is left out, comes again, is damaged, or belongs to somebody else.
fates = st.lists(st.sampled_from(["comes"] * 6 + ["lost", "doubled", "damaged", "strange", "bundled"]), max_size=40)


@given(messages, fates)
def test_aiortc_would_have_done_the_same(sizes, fates):
    """The fast channel gives what aiortc gives; all that is lost comes again in the end."""
    chunks = parts(sizes)
    fated = dict(enumerate(fates[: len(chunks)]))
    arrivals = [packet for number, chunk in enumerate(chunks) for packet in arriving(chunk, fated.get(number, "comes"))]
    arrivals += [packed(chunk) for number, chunk in enumerate(chunks) if fated.get(number, "comes") != "comes"]

    asyncio.run(compare(arrivals))


async def compare(arrivals: list[bytes]) -> None:
    stock, short = Receiver(), Receiver()
    take = fast_data_channel.FastDataChannel(short.sctp, short.sctp._handle_data).take
    for packet in arrivals:
        await stock.sctp._handle_data(packet)
        await take(packet)
        assert short.state() == stock.state()
        assert (stock.sacks[-1:] or [FIRST - 1])[0] - (short.sacks[-1:] or [FIRST - 1])[0] in (0, 1, 1 - 2**32)
    assert short.sacks[-1] == stock.sacks[-1]


class Receiver:
    """aiortc's end of an association that is under way, without a transport."""

    def __init__(self) -> None:
        self.sacks: list[int] = []
        self.messages: list[tuple[int, int, bytes]] = []
        pair = SimpleNamespace(protocol=SimpleNamespace(transport=self), remote_addr=None)
        ice = SimpleNamespace(_connection=SimpleNamespace(_nominated={1: pair}))
        ssl = SimpleNamespace(send=self.keep, bio_read=lambda size: b"")
        self.sctp = OpenSctpTransport(SimpleNamespace(state="connected", _ssl=ssl, transport=ice, _send_data=self.send))
        self.sctp._RTCSctpTransport__state, self.sctp._local_verification_tag = "connected", TAG
        self.sctp._remote_port, self.sctp._last_received_tsn = 5000, FIRST - 1
        self.sctp._receive = self.receive

    def keep(self, packet: bytes) -> None:
        _, _, _, [sack] = parse_packet(packet)
        assert isinstance(sack, SackChunk)
        self.sacks.append(sack.cumulative_tsn)

    async def send(self, packet: bytes) -> None:
        self.keep(packet)

    def sendto(self, data: bytes, address: None) -> None:
        """Takes what would be sent to the socket."""

    async def receive(self, *message) -> None:
        self.messages.append(message)

    def state(self) -> tuple:
        sctp = self.sctp
        streams = sctp._inbound_streams.items()
        waiting = {number: [bytes(part) for part in stream.reassembly] for number, stream in streams}
        missing = sctp._last_received_tsn, sctp._sack_misordered, sctp._sack_duplicates
        return self.messages, waiting, missing, sctp._advertised_rwnd


def parts(sizes: list[tuple[int, bool, int]]) -> list[DataChunk]:
    chunks, sequence = [], [0, 0]
    for stream, is_ordered, count in sizes:
        for part in range(count):
            chunk = DataChunk(flags=4 * (not is_ordered) | 2 * (part == 0) | (part == count - 1))
            chunk.tsn, chunk.stream_id, chunk.protocol = (FIRST + len(chunks)) % 2**32, stream, 53
            chunk.stream_seq, chunk.user_data = sequence[stream] * is_ordered, bytes([len(chunks)]) * (part + 1)
            chunks.append(chunk)
        sequence[stream] += is_ordered
    return chunks


def packed(chunk: DataChunk, tag: int = TAG) -> bytes:
    return serialize_packet(5000, 5000, tag, chunk)


def arriving(chunk: DataChunk, fate: str) -> list[bytes]:
    packet = packed(chunk)
    return {
        "comes": [packet],
        "lost": [],
        "doubled": [packet, packet],
        "strange": [packed(chunk, TAG - 1)],
        "damaged": [packet[:-1] + bytes([packet[-1] ^ 1])],
        "bundled": [serialize_packet(5000, 5000, TAG, bytes(chunk) + bytes(far_ahead(chunk)))],
    }[fate]


def far_ahead(chunk: DataChunk) -> DataChunk:
    other = DataChunk(flags=7)
    other.tsn, other.protocol, other.user_data = (chunk.tsn + 100) % 2**32, 53, b"other"
    return other
