"""The short way for sent video: a copy and an encryption a packet, and one call of the system a frame.

aiortc 1.16 makes five objects of each packet and takes it through six coroutines. Its sender stays for what is
negotiated, and for RTCP: reports, and what the receiver asks for.
"""

import socket
import struct
import time
from collections.abc import Callable

from aioice.ice import Connection
from aiortc import RTCRtpTransceiver
from aiortc.codecs.vpx import PACKET_MAX
from aiortc.rtp import RTP_HISTORY_SIZE

from clients.net.udp_send import leave

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
#: The option of Linux's UDP by which one call sends many datagrams of one length, but the last; how many it may be.
UDP_SEGMENT, MOST_TOGETHER = 103, 48


def leave_together(ice: Connection, datagrams: list[bytes]) -> None:
    """As `leave` each: all of one length, but the last, which may be shorter."""
    pair = ice._nominated.get(1)
    bound = pair and getattr(pair.protocol.transport, "_sock", None)  # a TURN server's has none
    for start in range(0, len(datagrams), MOST_TOGETHER):
        some = datagrams[start : start + MOST_TOGETHER]
        if len(some) == 1 or not bound or not _sent(bound, some, pair.remote_addr):
            for datagram in some:
                leave(ice, datagram)


def _sent(bound: socket.socket, datagrams: list[bytes], address: tuple[str, int]) -> bool:
    """False where this system, or the way, cannot cut them, or has no room at the moment."""
    length = struct.pack("H", len(datagrams[0]))
    try:
        return bool(bound.sendmsg(datagrams, [(socket.SOL_UDP, UDP_SEGMENT, length)], 0, address))
    except OSError:
        return False


class Outlet:
    """Of one connected transceiver."""

    def __init__(self, transceiver: RTCRtpTransceiver, on_intra_frame_asked: Callable[[], None]) -> None:
        self._stock = transceiver.sender
        self._stock._send_keyframe, self._stock._retransmit = on_intra_frame_asked, self._retransmit
        self._dtls = self._stock.transport
        self._ice = self._dtls.transport._connection
        self._payload_type = transceiver._codecs[0].payloadType
        self._sent_at_id = next(e.id for e in transceiver._headerExtensions if e.uri == SENT_AT)
        self._packets = self._bytes = 0
        self._history: dict[int, bytes] = {}

    def send(self, frame: bytes, timestamp: int) -> None:
        """All packets of a VP8 frame; its time is in ticks of CLOCK_RATE."""
        now_s = time.time()
        packets, protect = [], self._dtls._tx_srtp.protect
        extension = _EXTENSION.pack(_ONE_BYTE_IDS, 1, self._sent_at_id << 28 | 2 << 24 | round(now_s * 2**18) % 2**24)
        for start in range(0, len(frame), MOST):
            marked = (start + MOST >= len(frame)) << 7 | self._payload_type
            number = self._packets % 2**16
            header = _HEADER.pack(_WITH_EXTENSION, marked, number, timestamp % 2**32, self._stock._ssrc)
            plain = b"".join((header, extension, _GOES_ON if start else _BEGINS, frame[start : start + MOST]))
            packets.append(protect(plain))
            self._history[number % RTP_HISTORY_SIZE] = packets[-1]
            self._packets += 1
        self._leave(packets)
        self._bytes += len(frame)
        self._tell(now_s, timestamp)

    def _leave(self, packets: list[bytes]) -> None:
        leave_together(self._ice, packets)

    async def _retransmit(self, number: int) -> None:
        """In the place of the sender's, which would know no packet."""
        packet = self._history.get(number % RTP_HISTORY_SIZE, b"")
        if packet[2:4] == number.to_bytes(2):
            self._leave([packet])

    def _tell(self, now_s: float, timestamp: int) -> None:
        """Have the sender's reports be true."""
        self._stock._RTCRtpSender__ntp_timestamp = round((now_s + NTP_EPOCH_S) * 2**32)
        self._stock._RTCRtpSender__rtp_timestamp = timestamp % 2**32
        self._stock._RTCRtpSender__packet_count = self._packets
        self._stock._RTCRtpSender__octet_count = self._bytes
