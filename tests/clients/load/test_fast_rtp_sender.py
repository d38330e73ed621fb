"""The packets of the fast sender, as aiortc and a gateway read them."""

import asyncio
import socket
import time
from types import SimpleNamespace

import pytest
from aiortc import clock
from aiortc.codecs import depayload
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpParameters,
)
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from clients.load import fast_rtp_sender
from clients.load.fast_rtp_sender import MOST, MOST_TOGETHER, SENT_AT, FastRtpSender, send_together

VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)
PARAMETERS = RTCRtpParameters(codecs=[VP8], headerExtensions=[RTCRtpHeaderExtensionParameters(id=3, uri=SENT_AT)])


class Wire:
    """Stands for everything below a transceiver. It encrypts nothing, and keeps what is sent."""

    def __init__(self, nominated: bool = True) -> None:
        self.sent: list[bytes] = []
        way = SimpleNamespace(transport=SimpleNamespace(sendto=lambda data, address: self.sent.append(data)))
        pairs = {1: SimpleNamespace(protocol=way, remote_addr=("127.0.0.1", 1))} if nominated else {}
        ice = SimpleNamespace(_connection=SimpleNamespace(_nominated=pairs))
        dtls = SimpleNamespace(transport=ice, _tx_srtp=SimpleNamespace(protect=lambda data: data))
        self.sender = SimpleNamespace(transport=dtls, _ssrc=0xCAFEBABE)
        negotiated = {"_codecs": PARAMETERS.codecs, "_headerExtensions": PARAMETERS.headerExtensions}
        transceiver = SimpleNamespace(sender=self.sender, **negotiated)
        self.fast = FastRtpSender(transceiver, on_intra_frame_asked=lambda: None)

    def packets(self) -> list[RtpPacket]:
        extensions = HeaderExtensionsMap()
        extensions.configure(PARAMETERS)
        return [RtpPacket.parse(data, extensions) for data in self.sent]


@given(st.lists(st.integers(1, 3 * MOST), min_size=1, max_size=8), st.integers(0, 2**33))
def test_aiortc_reads_the_frames_that_were_sent(sizes, timestamp):
    wire, frames = Wire(), [bytes([number]) * size for number, size in enumerate(sizes)]
    for number, frame in enumerate(frames):
        wire.fast.send(frame, timestamp + 3000 * number)

    packets, read = wire.packets(), [b""]
    for packet in packets:
        read[-1] += depayload(VP8, packet.payload)
        assert packet.timestamp == (timestamp + 3000 * (len(read) - 1)) % 2**32
        read += [b""] if packet.marker else []

    assert read == [*frames, b""]
    assert [packet.sequence_number for packet in packets] == list(range(len(packets)))
    assert {(packet.ssrc, packet.payload_type) for packet in packets} == {(0xCAFEBABE, 97)}
    assert all(len(data) < 1400 for data in wire.sent)


def test_packets_say_whether_other_frames_need_theirs():
    """RFC 7741, section 4.2: X, R, N, S, R, PID."""
    wire = Wire()

    wire.fast.send(b"x" * 2 * MOST, 0)
    wire.fast.send(b"y" * 2 * MOST, 0, is_needed=False)

    assert [packet.payload[0] for packet in wire.packets()] == [0x10, 0x00, 0x30, 0x20]
    assert {depayload(VP8, packet.payload) for packet in wire.packets()} == {b"x" * MOST, b"y" * MOST}


def test_it_says_how_much_it_sent():
    wire = Wire()

    assert wire.fast.send(b"x" * 3 * MOST, 0) == sum(map(len, wire.sent))


def test_a_packet_says_when_it_left():
    wire = Wire()

    wire.fast.send(b"x", 0)

    now = clock.current_ntp_time() >> 14
    assert (now - wire.packets()[0].extensions.abs_send_time) % 2**24 < 2**18  # ticks of a second


def test_reports_are_true():
    wire = Wire()
    for frame in (b"x" * 2 * MOST, b"y"):
        wire.fast.send(frame, 2**32 + 5)

    said = {name.removeprefix("_RTCRtpSender__"): value for name, value in vars(wire.sender).items()}
    assert (said["packet_count"], said["octet_count"], said["rtp_timestamp"]) == (3, 2 * MOST + 1, 5)
    assert abs(clock.datetime_from_ntp(said["ntp_timestamp"]).timestamp() - time.time()) < 1


async def test_a_lost_packet_is_sent_again_as_it_was_and_no_other():
    wire = Wire()
    for number in range(200):
        wire.fast.send(bytes([number]), 0)

    for asked in (199, 100, 3, 300):  # the third is too old, the last was never sent
        await wire.sender._retransmit(asked)

    assert wire.sent[200:] == [wire.sent[199], wire.sent[100]]


def test_nothing_leaves_through_a_connection_that_is_closed():
    wire = Wire(nominated=False)

    wire.fast.send(b"x", 0)

    assert wire.sent == []


@pytest.mark.parametrize("can_cut", [True, False])
async def test_a_frame_of_many_packets_arrives_as_these(can_cut, monkeypatch):
    """The system may be able to cut datagrams that it gets in one call, or not."""
    if not can_cut:
        monkeypatch.setattr(fast_rtp_sender, "UDP_SEGMENT", 9999)
    datagrams = [bytes([number]) * 1336 for number in range(MOST_TOGETHER + 5)] + [b"the rest"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.settimeout(5)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
        pair = SimpleNamespace(protocol=SimpleNamespace(transport=transport), remote_addr=receiver.getsockname())

        send_together(SimpleNamespace(_nominated={1: pair}), datagrams)

        assert [receiver.recv(2048) for _ in datagrams] == datagrams
        transport.close()
