"""Messages through the fast data channel, from a real peer of plain aiortc."""

import asyncio
from types import SimpleNamespace

from aiortc.rtcsctptransport import DataChunk, SackChunk, parse_packet, serialize_packet
from hypothesis import given
from hypothesis import strategies as st

from clients.net import fast_data_channel
from pipeline.webrtc.internals.sctp import OpenSctpTransport

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
