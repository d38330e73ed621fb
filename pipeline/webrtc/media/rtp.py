"""Parses RTP and RTCP packets of video only as far as they are needed; aiortc makes four objects of each packet."""

import struct
from typing import Self

from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from pipeline.webrtc.internals.rtp import ReceivedPacket

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
H264_START = b"\0\0\0\1"
_STAP_A, _FU_A = 24, 28
#: One packet may carry this many NAL units: parameters, hints and small slices. It has room for 600 empty ones.
MOST_AGGREGATED = 64
#: One RTCP packet may have this many parts; an honest one has a report, a description and feedback.
MOST_RTCP_PARTS = 16
_SENDER_REPORT, _BYE = 200, 203


class Packet(ReceivedPacket):
    """An RTP packet that can be parsed from the bytes of a decrypted datagram."""

    __slots__ = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse a packet; raises ValueError if the data is no RTP packet."""
        if len(data) < _HEADER.size or data[0] >> 6 != 2:
            raise ValueError("no RTP header")
        flags, marked, sequence_number, timestamp, ssrc = _HEADER.unpack_from(data)
        start, extension = _HEADER.size + 4 * (flags & 15), None
        end = len(data) - data[-1] if flags & 32 else len(data)
        if flags & 16:
            if len(data) < start + _EXTENSION.size:
                raise ValueError("header extension is cut short")
            profile, words = _EXTENSION.unpack_from(data, start)
            start += _EXTENSION.size + 4 * words
            extension = profile, data[start - 4 * words : start]
        if not start <= end or flags & 32 and not data[-1]:
            raise ValueError("header or padding is longer than the packet")
        return cls(marked >> 7, marked & 127, sequence_number, timestamp, ssrc, extension, data[start:end])

    def sent_again(self, ssrc: int, payload_type: int) -> Self:
        """Return the original packet in a retransmission (RFC 4588 section 4); raises ValueError if there is none."""
        if len(self.payload) < 2:
            raise ValueError("retransmission of nothing")
        number, payload = int.from_bytes(self.payload[:2], "big"), self.payload[2:]
        return type(self)(self.marker, payload_type, number, self.timestamp, ssrc, self.extension, payload)


def vp8_data(payload: bytes) -> bytes:
    """Return what follows the VP8 payload descriptor (RFC 7741 section 4.2); raises ValueError if that is cut short."""
    bits = payload[1] if payload[0] & 0x80 and len(payload) > 1 else 0
    start = 1 + (payload[0] >> 7) + bool(bits & 0x40) + bool(bits & 0x30)
    if bits & 0x80:
        start += 2 if payload[2:3] >= b"\x80" else 1
    if start > len(payload):
        raise ValueError("VP8 payload descriptor is cut short")
    return payload[start:]


def is_droppable(codec: RTCRtpCodecParameters, payload: bytes) -> bool:
    """Return whether a packet belongs to a frame that no other frame needs, as its sender says.

    This is the N bit of the VP8 payload descriptor, RFC 7741 section 4.2. Of other codecs, every frame may be needed.
    """
    return codec.name == "VP8" and bool(payload[0] & 0x20)


def h264_data(payload: bytes) -> bytes:
    """Return the NAL units in an H.264 payload (RFC 6184 section 5), with start codes; raises ValueError.

    For a unit that is split over several packets (FU-A), this is the part in this packet.
    """
    if len(payload) < 2:
        raise ValueError("NAL unit is cut short")
    kind = payload[0] & 31
    if 0 < kind < _STAP_A:
        return H264_START + payload
    if kind == _STAP_A:
        return b"".join(H264_START + unit for unit in _aggregated(payload))
    if kind != _FU_A:
        raise ValueError("NAL unit of an unknown kind")
    if payload[1] & 128:
        return H264_START + bytes([payload[0] & 0xE0 | payload[1] & 31]) + payload[2:]
    return payload[2:]


def _aggregated(payload: bytes) -> list[bytes]:
    units: list[bytes] = []
    at = 1
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        if at + 2 + size > len(payload) or len(units) == MOST_AGGREGATED:
            raise ValueError("aggregated NAL units are cut short, or too many")
        units.append(payload[at + 2 : at + 2 + size])
        at += 2 + size
    return units


def depayload(codec: RTCRtpCodecParameters, payload: bytes) -> bytes:
    """Replace aiortc's function: return a payload's part of the encoded frame; raises ValueError."""
    reader = _READERS.get(codec.name)
    return reader(payload) if reader else payload


_READERS = {"VP8": vp8_data, "H264": h264_data}


def sender_reports(data: bytes) -> bytes:
    """Return the parts of a compound RTCP packet (RFC 3550 section 6.1) that matter to us if we only receive.

    Raises ValueError if the packet is malformed.
    """
    kept, at, parts = [], 0, 0
    while at < len(data):
        size = 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
        parts += 1
        if data[at] >> 6 != 2 or at + size > len(data) or parts > MOST_RTCP_PARTS:
            raise ValueError("RTCP is cut short, or has too many parts")
        if data[at + 1] in (_SENDER_REPORT, _BYE):
            kept.append(data[at : at + size])
        at += size
    return b"".join(kept)
