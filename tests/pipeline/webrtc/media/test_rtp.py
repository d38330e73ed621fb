import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor, vp8_depayload
from aiortc.rtp import RtpPacket, pack_header_extensions
from hypothesis import given
from hypothesis import strategies as st

from pipeline.webrtc.media.rtp import Packet, vp8_data


@st.composite
def packets(draw) -> bytes:
    """What senders may send, as aiortc writes it, with an extension and padding that it would not write."""
    packet = RtpPacket(
        payload_type=draw(st.integers(0, 127)),
        marker=draw(st.integers(0, 1)),
        ssrc=draw(st.integers(0, 2**32 - 1)),
        sequence_number=draw(st.integers(0, 65535)),
        timestamp=draw(st.integers(0, 2**32 - 1)),
        payload=draw(st.binary(max_size=40)),
    )
    packet.csrc = draw(st.lists(st.integers(0, 2**32 - 1), max_size=15))
    packet.padding_size = draw(st.integers(0, 20))
    data = packet.serialize()
    if draw(st.booleans()):
        end = 12 + 4 * len(packet.csrc)
        values = st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), max_size=3)
        profile, value = pack_header_extensions(draw(values))
        header = profile.to_bytes(2, "big") + (len(value) // 4).to_bytes(2, "big") + value
        data = bytes([data[0] | 0x10]) + data[1:end] + header + data[end:]
    return data


def read(parse, data: bytes) -> tuple | None:
    try:
        packet = parse(data)
    except ValueError:
        return None
    return (packet.marker, packet.payload_type, packet.sequence_number, packet.timestamp, packet.ssrc, packet.payload)


@given(packets(), st.integers(0, 120))
def test_packets_whole_or_cut_short_are_read_as_aiortc_reads_them(data, cut):
    for part in (data, data[:cut]):
        assert read(Packet.parse, part) == read(RtpPacket.parse, part)


@given(st.binary(max_size=60))
def test_of_any_bytes_no_more_is_believed_than_by_aiortc(data):
    assert read(Packet.parse, data) == read(RtpPacket.parse, data)


def test_a_header_extension_is_kept_for_who_needs_it():
    data = bytes([0x90, 97, 0, 1, *bytes(8), 0xBE, 0xDE, 0, 1, 0x32, 1, 2, 3]) + b"picture"

    packet = Packet.parse(data)

    assert (packet.extension, packet.payload) == ((0xBEDE, b"\x32\1\2\3"), b"picture")


optional = st.none() | st.integers(0, 31)


@given(st.integers(0, 1), optional, optional, st.booleans(), optional, st.binary(max_size=8))
def test_vp8_is_found_behind_any_descriptor(starts, picture, layer, layered, key, data):
    tid = (1, 0) if layered else None
    payload = bytes(VpxPayloadDescriptor(starts, 0, picture, layer, tid, key)) + data

    assert vp8_data(payload) == vp8_depayload(payload) == data


@given(st.binary(min_size=1, max_size=12))
def test_of_any_bytes_vp8_is_what_aiortc_takes_for_it(payload):
    try:
        wanted = vp8_depayload(payload)
    except ValueError:
        with pytest.raises(ValueError):
            vp8_data(payload)
    else:
        assert vp8_data(payload) == wanted
