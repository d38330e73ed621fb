"""An RTP packet of video, read as far as it is needed, and no further: aiortc makes four objects of each."""
import struct
from dataclasses import dataclass
from typing import Self

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


@dataclass(slots=True)
class Packet:
    """By the names that aiortc's statistics, NACKs and jitter buffer know; RFC 3550 section 5.1."""

    marker: int
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    #: Profile and value of the header extension, or None.
    extension: tuple[int, bytes] | None
    payload: bytes
    _data: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises ValueError for what is no RTP packet."""
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


def vp8_data(payload: bytes) -> bytes:
    """What follows the VP8 payload descriptor, RFC 7741 section 4.2; raises ValueError when that is cut short."""
    bits = payload[1] if payload[0] & 0x80 and len(payload) > 1 else 0
    start = 1 + (payload[0] >> 7) + bool(bits & 0x40) + bool(bits & 0x30)
    if bits & 0x80:
        start += 2 if payload[2:3] >= b"\x80" else 1
    if start > len(payload):
        raise ValueError("VP8 payload descriptor is cut short")
    return payload[start:]
