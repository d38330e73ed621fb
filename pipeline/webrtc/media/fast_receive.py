"""The fast receive path: one call takes each packet from the socket to the decoder's queue or to a data channel.

aiortc 1.16 itself reads one datagram in each turn of the event loop, parses it as STUN first, queues it, wakes a task,
and estimates the path's bit rate with each packet.
"""

import logging
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import pylibsrtp
from aioice.ice import CandidatePair, Connection
from aiortc import RTCDtlsTransport, RTCRtpReceiver, clock, rtcrtpreceiver
from aiortc.codecs import is_rtx
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import is_rtcp

from pipeline.basics.token_bucket import TokenBucket
from pipeline.webrtc.internals import ice
from pipeline.webrtc.internals.dtls import DATAGRAM_BYTES, IncomingPackets, OpenDtlsTransport, deliver
from pipeline.webrtc.internals.rtp import IncomingVideo
from pipeline.webrtc.internals.running import run_without_suspending
from pipeline.webrtc.media import packet_intake, refusals
from pipeline.webrtc.media.rtp import Packet, depayload, is_droppable

logger = logging.getLogger(__name__)

#: An intra frame arrives as 60 packets at once, and Linux counts each packet twice, so that its default buffer holds
#: only one and a half intra frames.
RECEIVE_BUFFER_BYTES = 1 << 20
#: One stream hands over at most this many datagrams before other streams have their turn.
MOST_AT_ONCE = 32
#: How much one session may send in a second, and in one burst: twice the 12 Mbit/s of 1080p at 60 frames a second, and
#: an intra frame of a megabyte. Packets beyond it are dropped before they are decrypted.
PACKETS_PER_S, PACKETS_AT_ONCE = 2500, 2500
BYTES_PER_S, BYTES_AT_ONCE = 3 << 20, 3 << 20


def attach(dtls: RTCDtlsTransport, receiver: RTCRtpReceiver) -> None:
    """Switch a connection to the fast path, once it is established. RTCP is still left to aiortc.

    Nothing happens if the connection was made without our parts (see webrtc.patches).
    """
    if isinstance(dtls, OpenDtlsTransport):
        connection = ice.connection_below(dtls)
        path = FastReceivePath(dtls, receiver)
        path.otherwise = ice.redirect(connection, path.data_received)
        read_at_once(connection)


def read_at_once(connection: Connection) -> None:
    """Have all datagrams that wait in the socket of an ICE connection read in one turn of the event loop."""
    pair = ice.selected(connection)
    bound = pair and ice.socket_of(pair)
    if pair and bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)  # the kernel may allow less
        received = partial(connection.data_received, component=pair.component)
        ice.read_with(bound, partial(_read, bound, pair, received))


def _read(bound: socket.socket, pair: CandidatePair, from_peer: Callable[[bytes], None]) -> None:
    """Read the datagrams that wait in a socket. Those that are no STUN and come from the peer go to `from_peer`."""
    peer = pair.remote_addr
    for _ in range(MOST_AT_ONCE):
        try:
            data, address = bound.recvfrom(DATAGRAM_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            return pair.protocol.error_received(error)
        if data[:1] > b"\3" and address[:2] == peer:
            from_peer(data)
        else:
            pair.protocol.datagram_received(data, address)


def is_dtls(data: bytes) -> bool:
    return b"\x13" < data[:1] < b"\x40"


class FastReceivePath:
    """Handles the received packets of one connection with one video, with the parts of aiortc's receiver."""

    def __init__(self, dtls: RTCDtlsTransport, receiver: RTCRtpReceiver) -> None:
        self._dtls, self._incoming, self._video = dtls, IncomingPackets(dtls), IncomingVideo(receiver)
        #: This gets all packets that belong neither to the video nor to data channels.
        self.otherwise: ice.Received = ice.connection_below(dtls).data_received
        self._frame_bytes = 0  # since the last estimate
        now_s = time.monotonic()
        self._packets = TokenBucket(PACKETS_AT_ONCE, PACKETS_PER_S, now_s)
        self._bytes = TokenBucket(BYTES_AT_ONCE, BYTES_PER_S, now_s)

    def data_received(self, data: bytes, component: int) -> None:
        """Replace the method of the ICE connection. A packet that cannot be handled is dropped and counted."""
        if is_dtls(data):
            return deliver(self._dtls, data)
        now_s = time.monotonic()
        if not (self._packets.take(now_s) and self._bytes.take(now_s, len(data))):
            return refusals.count("budget")  # before it is decrypted
        if len(data) < 2 or not 127 < data[0] < 192 or is_rtcp(data):
            return self.otherwise(data, component)
        try:
            self._take(Packet.parse(self._incoming.decrypt(data)))
        except (pylibsrtp.Error, ValueError):
            refusals.count("malformed")
        except Exception as error:
            packet_intake.unexpected(error)

    def _take(self, packet: Packet) -> None:
        """Handle a packet as RTCRtpReceiver does; raises ValueError if it cannot be read."""
        video = self._video
        codec = video.codecs.get(packet.payload_type)
        if codec is None:
            raise ValueError("nobody agreed to this payload type")
        if not video.is_for(self._incoming.route(packet)):
            return
        self._estimate(packet)
        if packet.ssrc not in video.statistics:
            video.statistics[packet.ssrc] = rtcrtpreceiver.StreamStatistics(codec.clockRate)
        video.statistics[packet.ssrc].add(packet)  # type: ignore[arg-type]  # it has all attributes that are read
        if is_rtx(codec):
            packet = packet.sent_again(video.originals[packet.ssrc], cast(int, codec.parameters["apt"]))
            codec = video.codecs[packet.payload_type]
        self._assemble(packet, codec)

    def _assemble(self, packet: Packet, codec: RTCRtpCodecParameters) -> None:
        video = self._video
        if video.nacks.add(packet):
            run_without_suspending(video.request_packets(packet.ssrc, sorted(video.nacks.missing)))
        if packet.payload:
            packet.data = depayload(codec, packet.payload)
            packet.is_droppable = is_droppable(codec, packet.payload)
        wanted, frame = video.jitter_buffer.add(packet)
        if wanted or video.needs_picture.is_set():
            video.needs_picture.clear()
            run_without_suspending(video.request_picture(packet.ssrc))
        if frame is not None and video.has_decoder:
            frame.timestamp = video.timestamps.map(frame.timestamp)
            video.decoder_queue.put((codec, frame))

    def _estimate(self, packet: Packet) -> None:
        """Estimate the path's bit rate and tell the sender how fast it may send.

        The estimator compares groups of packets, so one call for each frame is enough.
        """
        self._frame_bytes += len(packet.payload)
        if not packet.marker or packet.extension is None:
            return
        sent = self._incoming.extensions(*packet.extension).abs_send_time
        size, self._frame_bytes = self._frame_bytes, 0
        if sent is None:
            return
        estimate = self._video.estimator.add(clock.current_ms(), sent, size, packet.ssrc)
        if estimate is not None and (sending := self._video.tell_rate(*estimate)):
            run_without_suspending(sending)
