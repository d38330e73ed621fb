"""The fast path for what is received: from the socket to the decoder's queue or a data channel, in one call a packet.

aiortc 1.16 takes one datagram a turn of the event loop, parses it as STUN first, queues it, wakes a task, and estimates
the path's bit rate with each packet.
"""

import asyncio
import importlib.metadata
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from functools import partial

import pylibsrtp
from aioice.ice import CandidatePair, Connection
from aiortc import RTCDtlsTransport, RTCRtpReceiver, clock, rtcrtpreceiver
from aiortc.codecs import is_rtx
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, is_rtcp, pack_remb_fci
from OpenSSL import SSL
from prometheus_client import Counter

from pipeline.basics.token_bucket import TokenBucket
from pipeline.webrtc.media import decoder_pool, packet_intake
from pipeline.webrtc.media.rtp import Packet, depayload

logger = logging.getLogger(__name__)

#: What is used here is private: it is used only with the version it was written for.
WRITTEN_FOR = "1.16."
#: An intra frame comes as 60 packets at once, and Linux counts each as two: its own default holds one and a half.
RECEIVE_BUFFER_BYTES = 1 << 20
#: Datagrams that one stream may hand over before others have their turn, and their longest; SRTP takes 1500 bytes.
MOST_AT_ONCE, DATAGRAM_BYTES = 32, 2048
#: What one session may send in a second, and at once: twice what 1080p takes at 60 frames a second, 12 Mbit/s, and a
#: picture of a megabyte. Beyond, it costs the kernel's call and no more.
PACKETS_PER_S, PACKETS_AT_ONCE = 2500, 2500
BYTES_PER_S, BYTES_AT_ONCE = 3 << 20, 3 << 20


def attach(dtls: RTCDtlsTransport, receiver: RTCRtpReceiver) -> None:
    """Have video and data channels handled as they come, but for RTCP. To be called once a connection is made."""
    if not _is_known():
        return
    ice, path = dtls.transport._connection, FastReceivePath(dtls, receiver)
    ice.data_received = path.data_received
    read_at_once(ice)


def read_at_once(ice: Connection) -> None:
    """Have all that waits in a connected ICE connection's sockets read in one turn of the event loop."""
    for component, pair in ice._nominated.items():
        bound = getattr(pair.protocol.transport, "_sock", None)
        if bound is None:
            continue  # a TURN server's datagrams come in its own
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)  # or as much as is allowed
        read = partial(_read, bound, pair, partial(ice.data_received, component=component))
        asyncio.get_running_loop()._add_reader(bound.fileno(), read)


def _read(bound: socket.socket, pair: CandidatePair, from_peer: Callable[[bytes], None]) -> None:
    """All that waits in a socket, in the place of one datagram a turn. What the peer sends needs no other check."""
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


def deliver(dtls: RTCDtlsTransport, data: bytes) -> None:
    """A datagram of data channels, as RTCDtlsTransport._recv_next does; trouble ends the connection, as there."""
    dtls._RTCDtlsTransport__rx_bytes += len(data)
    dtls._RTCDtlsTransport__rx_packets += 1
    is_read = False
    try:
        dtls._ssl.bio_write(data)
        while True:  # one record mostly; what stays in there would grow
            plain = dtls._ssl.recv(DATAGRAM_BYTES)
            is_read = True
            if dtls._data_receiver:  # else the peer was faster; it will say it again
                run_without_suspending(dtls._data_receiver._handle_data(plain))
    except SSL.WantReadError:
        if not is_read:  # a late part of the handshake, which may need an answer
            run_without_suspending(dtls._write_ssl())
    except Exception as error:
        logger.info("data channels end: %r", error)
        dtls.transport._connection._queue.put_nowait(None)


class FastReceivePath:
    """Of one connection with one video. The parts on the way are aiortc's, which also gets all that is no video."""

    def __init__(self, dtls: RTCDtlsTransport, receiver: RTCRtpReceiver) -> None:
        self._dtls, self._receiver, self._otherwise = dtls, receiver, dtls.transport._connection.data_received
        self._own = {name.removeprefix("_RTCRtpReceiver__"): value for name, value in vars(receiver).items()}
        self._frame_bytes = 0  # since the last estimate
        now_s = time.monotonic()
        self._packets = TokenBucket(PACKETS_AT_ONCE, PACKETS_PER_S, now_s)
        self._bytes = TokenBucket(BYTES_AT_ONCE, BYTES_PER_S, now_s)

    def data_received(self, data: bytes, component: int) -> None:
        """In the place of the ICE connection's. No packet of a peer does more than be dropped."""
        if is_dtls(data):
            return deliver(self._dtls, data)
        now_s = time.monotonic()
        if not (self._packets.take(now_s) and self._bytes.take(now_s, len(data))):
            return packet_intake.count("budget")  # before it is decrypted
        if len(data) < 2 or not 127 < data[0] < 192 or is_rtcp(data):
            return self._otherwise(data, component)
        self._dtls._RTCDtlsTransport__rx_bytes += len(data)
        self._dtls._RTCDtlsTransport__rx_packets += 1
        try:
            self._take(Packet.parse(self._dtls._rx_srtp.unprotect(data)))
        except (pylibsrtp.Error, ValueError):
            packet_intake.count("malformed")
        except Exception as error:
            packet_intake.unexpected(error)

    def _take(self, packet: Packet) -> None:
        """As RTCRtpReceiver._handle_rtp_packet; raises ValueError for what cannot be read."""
        receiver, own = self._receiver, self._own
        codec = own["codecs"].get(packet.payload_type)
        if codec is None:
            raise ValueError("nobody agreed to this payload type")
        if self._dtls._rtp_router.route_rtp(packet) is not receiver or not receiver._enabled:
            return
        self._estimate(packet)
        if packet.ssrc not in own["remote_streams"]:
            own["remote_streams"][packet.ssrc] = rtcrtpreceiver.StreamStatistics(codec.clockRate)
        own["remote_streams"][packet.ssrc].add(packet)
        if is_rtx(codec):
            packet = packet.sent_again(own["rtx_ssrc"][packet.ssrc], codec.parameters["apt"])
            codec = own["codecs"][packet.payload_type]
        self._assemble(packet, codec)

    def _assemble(self, packet: Packet, codec: RTCRtpCodecParameters) -> None:
        receiver, own = self._receiver, self._own
        if own["nack_generator"].add(packet):
            run_without_suspending(receiver._send_rtcp_nack(packet.ssrc, sorted(own["nack_generator"].missing)))
        if packet.payload:
            packet._data = depayload(codec, packet.payload)
        wanted, frame = own["jitter_buffer"].add(packet)
        if wanted or own["decoder_error"].is_set():
            own["decoder_error"].clear()
            run_without_suspending(receiver._send_rtcp_pli(packet.ssrc))
        if frame is not None and receiver._RTCRtpReceiver__decoder_thread:
            frame.timestamp = own["timestamp_mapper"].map(frame.timestamp)
            own["decoder_queue"].put((codec, frame))

    def _estimate(self, packet: Packet) -> None:
        """Tell the sender how fast it may send: groups of packets are compared, and a frame is one."""
        self._frame_bytes += len(packet.payload)
        if not packet.marker or packet.extension is None:
            return
        sent = self._dtls._rtp_header_extensions_map.get(*packet.extension).abs_send_time
        size, self._frame_bytes = self._frame_bytes, 0
        if sent is None:
            return
        said = self._own["remote_bitrate_estimator"].add(clock.current_ms(), sent, size, packet.ssrc)
        ours = self._receiver._RTCRtpReceiver__rtcp_ssrc
        if said is not None and ours is not None:
            run_without_suspending(
                self._receiver._send_rtcp(RtcpPsfbPacket(RTCP_PSFB_APP, ours, 0, pack_remb_fci(*said)))
            )


def run_without_suspending(coroutine: Coroutine) -> None:
    """Run a coroutine to its end that waits for nothing: RTCP, which it may send, leaves at once."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("a packet's handler waits for something; this aiortc is not the one it was written for")


def install(counters: decoder_pool.Counters, refused: Counter | None = None) -> bool:
    """Have peer connections made from now on use all this; frames they drop are in `counters`, packets in `refused`.

    False with an aiortc it was not written for.
    """
    if not _is_known():
        logger.warning("this aiortc is not %sx: receiving costs more", WRITTEN_FOR)
        return False
    decoder_pool.install(counters)
    packet_intake.install(refused)
    return True


def _is_known() -> bool:
    return importlib.metadata.version("aiortc").startswith(WRITTEN_FOR)
