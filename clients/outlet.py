"""The short way for sent video: from an encoded frame to the socket, at a copy, an encryption and a call a packet.

aiortc 1.16 makes five objects of each packet and takes it through six coroutines. Its sender stays for what is
negotiated, and for RTCP: reports, and what the receiver asks for.
"""
import struct
import time
from collections.abc import Callable

from aioice.ice import Connection
from aiortc import RTCRtpTransceiver
from aiortc.codecs.vpx import PACKET_MAX
from aiortc.rtp import RTP_HISTORY_SIZE

#: Of video, RFC 7741 section 4.1.
CLOCK_RATE = 90_000
SENT_AT = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
#: From 1900, where NTP's clock begins, to 1970.
NTP_EPOCH_S = 2_208_988_800
#: RFC 3550 section 5.1, then one extension of one word, RFC 8285 section 4.2.
_HEADER, _EXTENSION = struct.Struct("!BBHII"), struct.Struct("!HHI")
_WITH_EXTENSION, _ONE_BYTE_IDS = 0x90, 0xBEDE
#: VP8's payload descriptor, RFC 7741 section 4.2: whether a packet begins a frame.
_BEGINS, _GOES_ON = b"\x10", b"\0"
MOST = PACKET_MAX - 1


def leave(ice: Connection, datagram: bytes) -> None:
    """To the peer; nowhere once the connection is closed."""
    if pair := ice._nominated.get(1):
        pair.protocol.transport.sendto(datagram, pair.remote_addr)


class Outlet:
    """Of one connected transceiver."""

    def __init__(self, transceiver: RTCRtpTransceiver, on_whole_picture_asked: Callable[[], None]) -> None:
        self._stock = transceiver.sender
        self._stock._send_keyframe, self._stock._retransmit = on_whole_picture_asked, self._retransmit
        self._dtls = self._stock.transport
        self._ice = self._dtls.transport._connection
        self._payload_type = transceiver._codecs[0].payloadType
        self._sent_at_id = next(e.id for e in transceiver._headerExtensions if e.uri == SENT_AT)
        self._packets = self._bytes = 0
        self._history: dict[int, bytes] = {}

    def send(self, frame: bytes, timestamp: int) -> None:
        """All packets of a VP8 frame; its time is in ticks of CLOCK_RATE."""
        now_s = time.time()
        extension = _EXTENSION.pack(_ONE_BYTE_IDS, 1, self._sent_at_id << 28 | 2 << 24 | round(now_s * 2**18) % 2**24)
        for start in range(0, len(frame), MOST):
            marked = (start + MOST >= len(frame)) << 7 | self._payload_type
            number = self._packets % 2**16
            header = _HEADER.pack(_WITH_EXTENSION, marked, number, timestamp % 2**32, self._stock._ssrc)
            packet = b"".join((header, extension, _GOES_ON if start else _BEGINS, frame[start : start + MOST]))
            self._history[number % RTP_HISTORY_SIZE] = packet
            self._leave(packet)
            self._packets += 1
        self._bytes += len(frame)
        self._tell(now_s, timestamp)

    def _leave(self, packet: bytes) -> None:
        leave(self._ice, self._dtls._tx_srtp.protect(packet))

    async def _retransmit(self, number: int) -> None:
        """In the place of the sender's, which would know no packet."""
        packet = self._history.get(number % RTP_HISTORY_SIZE, b"")
        if packet[2:4] == number.to_bytes(2):
            self._leave(packet)

    def _tell(self, now_s: float, timestamp: int) -> None:
        """Have the sender's reports be true."""
        counts = {"ntp_timestamp": round((now_s + NTP_EPOCH_S) * 2**32), "rtp_timestamp": timestamp % 2**32,
                  "packet_count": self._packets, "octet_count": self._bytes}
        for name, value in counts.items():
            setattr(self._stock, f"_RTCRtpSender__{name}", value)
