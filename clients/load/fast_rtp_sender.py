"""The fast path for sent video: each packet is built and encrypted at once, and a frame leaves with one system call.

aiortc 1.16 makes five objects of each packet and takes it through six coroutines. Its own sender still negotiates, and
still handles RTCP: reports, and the receiver's requests.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

import av
from aioice.ice import Connection
from aiortc import RTCRtpTransceiver
from aiortc.codecs.vpx import PACKET_MAX
from aiortc.rtp import RTP_HISTORY_SIZE

from pipeline.webrtc.internals import dtls, ice, rtp

#: Ticks of a video's RTP timestamps in a second; RFC 7741, section 4.1.
CLOCK_RATE = 90_000
#: The header extension that carries the time at which a packet was sent.
SENT_AT = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
#: Seconds from 1900, where NTP's clock begins, to 1970, where Unix time begins.
NTP_EPOCH_S = 2_208_988_800
#: The RTP header (RFC 3550, section 5.1), and one header extension of one word (RFC 8285, section 4.2).
_HEADER, _EXTENSION = struct.Struct("!BBHII"), struct.Struct("!HHI")
_WITH_EXTENSION, _ONE_BYTE_IDS = 0x90, 0xBEDE
#: VP8's payload descriptor says whether a packet begins a frame, and whether no other frame needs this one; RFC 7741,
#: section 4.2.
_BEGINS, _NOT_NEEDED = 0x10, 0x20
#: Bytes of a frame in one packet, beside the payload descriptor.
MOST = PACKET_MAX - 1
#: The option of Linux's UDP by which one call sends many datagrams of equal length (the last may be shorter), and how
#: many we send in one call.
UDP_SEGMENT, MOST_TOGETHER = 103, 48
#: Frames that may wait for aiortc's sender: half a second of them.
MOST_UNSENT = 15


def send_together(connection: Connection, datagrams: Sequence[bytes]) -> None:
    """Send datagrams of equal length, of which the last may be shorter. A closed connection sends nothing."""
    pair = ice.selected(connection)
    bound = pair and ice.socket_of(pair)
    for start in range(0, len(datagrams), MOST_TOGETHER):
        some = datagrams[start : start + MOST_TOGETHER]
        if len(some) == 1 or not pair or not bound or not _sent(bound, some, pair.remote_addr):
            for datagram in some:
                ice.send(connection, datagram)


def _sent(bound: socket.socket, datagrams: Sequence[bytes], address: tuple[str, int]) -> bool:
    """Send all with one call. Returns False if this system or network cannot do it, or has no room at the moment."""
    length = struct.pack("H", len(datagrams[0]))
    try:
        return bool(bound.sendmsg(datagrams, [(socket.SOL_UDP, UDP_SEGMENT, length)], 0, address))
    except OSError:
        return False


def sender_for(
    transceiver: RTCRtpTransceiver, plain: "PlainRtpSender", on_intra_frame_asked: Callable[[], None]
) -> "FastRtpSender | PlainRtpSender":
    """A fast sender for a connection that was made with `patches.installed()`, and `plain` for any other."""
    is_ours = isinstance(transceiver.receiver, rtp.OpenReceiver)
    return FastRtpSender(transceiver, on_intra_frame_asked) if is_ours else plain


class FastRtpSender:
    """Sends encoded VP8 frames over one connected transceiver."""

    def __init__(self, transceiver: RTCRtpTransceiver, on_intra_frame_asked: Callable[[], None]) -> None:
        """`on_intra_frame_asked` is called when the receiver asks for an intra frame."""
        self._stock = transceiver.sender
        rtp.answer_requests(self._stock, on_intra_frame_asked, self._send_again)
        self._ssrc = rtp.ssrc_of(self._stock)
        self._connection = ice.connection_below(self._stock.transport)
        self._protect = dtls.protector(self._stock.transport)
        self._payload_type = rtp.payload_type(transceiver)
        self._sent_at_id = rtp.extension_id(transceiver, SENT_AT)
        self._packets = self._bytes = 0
        self._history: dict[int, bytes] = {}

    def send(self, frame: bytes, timestamp: int, *, is_needed: bool = True) -> int:
        """Send all packets of a VP8 frame, and return their length in bytes, without UDP's and IP's headers.

        `timestamp` is in ticks of CLOCK_RATE. `is_needed`: whether other frames are predicted from this one.
        """
        now_s = time.time()
        packets, protect = [], self._protect
        kind = 0 if is_needed else _NOT_NEEDED
        extension = _EXTENSION.pack(_ONE_BYTE_IDS, 1, self._sent_at_id << 28 | 2 << 24 | round(now_s * 2**18) % 2**24)
        for start in range(0, len(frame), MOST):
            marked = (start + MOST >= len(frame)) << 7 | self._payload_type
            number = self._packets % 2**16
            header = _HEADER.pack(_WITH_EXTENSION, marked, number, timestamp % 2**32, self._ssrc)
            descriptor = bytes([kind if start else kind | _BEGINS])
            plain = b"".join((header, extension, descriptor, frame[start : start + MOST]))
            packets.append(protect(plain))
            self._history[number % RTP_HISTORY_SIZE] = packets[-1]
            self._packets += 1
        self._send_packets(packets)
        self._bytes += len(frame)
        ntp = round((now_s + NTP_EPOCH_S) * 2**32)
        rtp.report_sent(self._stock, ntp=ntp, timestamp=timestamp % 2**32, packets=self._packets, octets=self._bytes)
        return sum(map(len, packets))

    async def _send_again(self, number: int) -> None:
        """Send a lost packet again, in the place of aiortc's sender, which has not seen any of our packets."""
        packet = self._history.get(number % RTP_HISTORY_SIZE, b"")
        if packet[2:4] == number.to_bytes(2):
            self._send_packets([packet])

    def _send_packets(self, packets: list[bytes]) -> None:
        send_together(self._connection, packets)


class PlainRtpSender:
    """Sends frames through aiortc's own sender, which asks for each one, for connections without a fast path.

    It cannot hear that the receiver asks for an intra frame; the receiver waits for the recording's next one.
    """

    def __init__(self) -> None:
        self._packets: asyncio.Queue[av.Packet] = asyncio.Queue(MOST_UNSENT)

    def send(self, frame: bytes, timestamp: int, *, is_needed: bool = True) -> int:
        """Queue a VP8 frame, and return its length; 0 if it is dropped, because aiortc lags behind.

        `timestamp` is in ticks of CLOCK_RATE. aiortc cannot say whether other frames need this one.
        """
        if self._packets.full():
            return 0
        packet = av.Packet(frame)
        packet.pts, packet.time_base = timestamp, Fraction(1, CLOCK_RATE)
        self._packets.put_nowait(packet)
        return len(frame)

    async def next_packet(self) -> av.Packet:
        """The next frame, for a track's `recv`."""
        return await self._packets.get()
