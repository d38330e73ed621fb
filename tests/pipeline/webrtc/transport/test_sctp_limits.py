"""Packets that a client of ours never sends."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import (
    ForwardTsnChunk,
    InitChunk,
    ReconfigChunk,
    StreamResetOutgoingParam,
    serialize_packet,
)
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from pipeline.webrtc.internals.dtls import deliver
from pipeline.webrtc.transport import sctp_limits
from pipeline.webrtc.transport.sctp_limits import LimitedSctpTransport
from support.webrtc.sctp_chunks import FIRST, FIRST_PART, UNORDERED, data, sack

TAG = 0xCAFEBABE


class Receiver:
    """The gateway's end of an association, with nothing below."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        self.sctp = LimitedSctpTransport(SimpleNamespace(state="connected", _send_data=self.keep, _role="server"))
        self.sctp._RTCSctpTransport__state, self.sctp._local_verification_tag = "connected", TAG
        self.sctp._association_state = RTCSctpTransport.State.ESTABLISHED
        self.sctp._remote_port, self.sctp._last_received_tsn, self.sctp._ssthresh = 5000, FIRST - 1, 1 << 20
        self.sctp._receive = self.receive
        self.sctp.end_with(self.ended.append)

    async def keep(self, packet: bytes) -> None:
        self.sent.append(packet)

    async def receive(self, stream_id: int, protocol: int, data: bytes) -> None:
        self.received.append(data)

    def take(self, *chunks: object, tag: int = TAG) -> None:
        packet = serialize_packet(5000, 5000, tag, b"".join(map(bytes, chunks)))
        with pytest.raises(StopIteration):
            self.sctp._handle_data(packet).send(None)


@pytest.fixture
async def peer():
    yield Receiver()


async def test_chunks_of_one_byte_end_the_session_that_floods_with_them(peer):
    for number in range(0, 3000, 60):
        peer.take(*(data(number + part) for part in range(60)))

    assert peer.ended == ["flood"]
    assert len(peer.received) <= sctp_limits.CHUNK_BURST + 60


async def test_bytes_beyond_what_a_client_needs_end_it_too(peer):
    for number in range(400):
        peer.take(data(number, size=1100))

    assert peer.ended == ["flood"]


async def test_parts_that_never_become_a_message_are_bounded_and_then_end_it(peer):
    for number in range(sctp_limits.MAX_WAITING + 1):
        peer.take(data(number, FIRST_PART | UNORDERED))

    assert peer.ended == ["flood"]
    assert len(peer.sctp._inbound_streams[0].reassembly) == sctp_limits.MAX_WAITING


async def test_a_message_that_is_longer_than_we_take_ends_it(peer):
    for number in range(100):
        peer.take(data(number, FIRST_PART if number == 0 else 0, size=1100))

    assert peer.ended == ["flood"]


async def test_a_part_from_far_ahead_is_not_kept(peer):
    for number in range(400):
        peer.take(data(10_000 + number))

    assert peer.sctp._sack_misordered == set() and peer.sctp._inbound_streams == {} and peer.ended == []


async def test_no_more_streams_are_opened_than_a_client_uses(peer):
    for number in range(400):
        peer.take(data(number % 200, stream=number))

    assert len(peer.sctp._inbound_streams) == sctp_limits.MAX_STREAMS


async def test_closing_one_way_does_not_make_room_for_more_channels(peer):
    peer.sctp._data_channels = {number: None for number in range(sctp_limits.MAX_STREAMS)}

    peer.take(data(0, stream=100))

    assert peer.sctp._inbound_streams == {}


async def test_acknowledged_blocks_that_were_never_sent_cost_nothing(peer):
    last, before = peer.sctp._local_tsn - 1, peer.sctp._last_sacked_tsn
    began_s = time.process_time()
    for gaps in ([(2, 65535)] * 280, [(2, 2)], [(5, 4)], [(1, 1)]):
        peer.take(sack(last, *gaps))
    peer.take(sack(last + 5))

    assert time.process_time() - began_s < 0.2  # 280 such blocks took seconds
    assert peer.sctp._last_sacked_tsn == before and peer.ended == []


async def test_a_jump_forward_is_refused(peer):
    chunk = ForwardTsnChunk()
    chunk.cumulative_tsn = (FIRST + 2**30) % 2**32
    many = ForwardTsnChunk()
    many.cumulative_tsn, many.streams = FIRST, [(number, 0) for number in range(280)]

    peer.take(chunk)
    peer.take(many)

    assert peer.sctp._last_received_tsn == FIRST - 1 and peer.sctp._inbound_streams == {}


async def test_one_packet_is_not_answered_by_many(peer):
    chunk = ReconfigChunk()
    chunk.params = [(13, bytes(StreamResetOutgoingParam(number, 0, 0, []))) for number in range(60)]

    peer.take(chunk)

    assert peer.sent == []


async def test_an_association_does_not_begin_again(peer):
    init = InitChunk()
    init.initiate_tag = init.initial_tsn = 7
    init.params = [(1, b"")]

    peer.take(init, tag=0)

    assert peer.sctp._last_received_tsn == FIRST - 1 and peer.sent == []


async def test_nonsense_ends_the_session_without_an_error(peer):
    peer.take(b"\3\0\0\x10" + bytes(8) + b"\xff\xff\xff\xff")  # gap blocks that are not there

    assert peer.ended == ["broken"]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 7), st.integers(0, 9)), max_size=80))
def test_what_is_kept_is_bounded_whatever_comes(parts):
    async def receive() -> None:
        peer = Receiver()
        for ahead, flags, stream in parts:
            peer.take(data(ahead, flags, stream))
        kept = [len(stream.reassembly) for stream in peer.sctp._inbound_streams.values()]
        assert sum(kept) <= sctp_limits.MAX_WAITING and len(kept) <= sctp_limits.MAX_STREAMS
        assert len(peer.sctp._sack_misordered) <= sctp_limits.MAX_AHEAD

    asyncio.run(receive())


@given(st.permutations(range(40)), st.lists(st.integers(0, 39), max_size=10))
def test_parts_in_any_order_are_acknowledged_as_aiortc_would(order, again):
    async def marked(kind: type) -> tuple:
        sctp = kind(SimpleNamespace(state="connected"))
        sctp._last_received_tsn = 6
        known = [sctp._mark_received(7 + number) for number in [*order[:30], *again, *order[30:]]]
        return known, sctp._last_received_tsn, sctp._sack_misordered

    assert asyncio.run(marked(LimitedSctpTransport)) == asyncio.run(marked(RTCSctpTransport))


async def test_all_records_of_a_datagram_are_read(monkeypatch):
    """aiortc reads one; the others would wait in there, and more of them with each datagram."""
    records, handled = [b"one", b"two", b"three"], []

    def recv(size: int) -> bytes:
        if records:
            return records.pop(0)
        raise SSL.WantReadError

    async def handle(plain: bytes) -> None:
        handled.append(plain)

    dtls = SimpleNamespace(
        _RTCDtlsTransport__rx_bytes=0,
        _RTCDtlsTransport__rx_packets=0,
        _data_receiver=SimpleNamespace(_handle_data=handle),
        _ssl=SimpleNamespace(bio_write=lambda data: None, recv=recv),
    )

    deliver(dtls, bytes(100))

    assert handled == [b"one", b"two", b"three"]
