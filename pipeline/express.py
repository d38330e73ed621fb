"""The short way for received video: from the socket to the jitter buffer in one call, and as directly from the decoder.

aiortc 1.16 parses each datagram as STUN first, queues it, wakes a task, and hands each decoded frame over in a task
and two futures of its own.
"""
import asyncio
import importlib.metadata
import logging
import queue
import socket
import threading
from collections.abc import Callable, Coroutine
from functools import partial

import av
import pylibsrtp
from aiortc import RTCDtlsTransport, clock, codecs, rtcrtpreceiver
from aiortc.codecs.vpx import Vp8Decoder
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtp import RtpPacket, is_rtcp
from prometheus_client import Counter

from pipeline.jitter import is_whole_picture

logger = logging.getLogger(__name__)

#: What is used here is private: it is used only with the version it was written for.
WRITTEN_FOR = "1.16."
#: Senders need not hear more often how fast they may send. aiortc tells them with each packet of a path that fills up.
ESTIMATE_MS = 100
#: A decoder half a second behind goes on with the next whole picture, which is asked for, and again each second.
MOST_WAITING, ASK_EVERY = 15, 30
#: A whole picture comes as 60 packets at once, and Linux counts each as two: its own default holds one and a half.
RECEIVE_BUFFER_BYTES = 1 << 20


def shorten(dtls: RTCDtlsTransport) -> None:
    """Have RTP of this connection handled as it arrives. To be called once it is connected; all else goes as before."""
    if _is_known():
        ice = dtls.transport._connection
        for pair in ice._nominated.values():
            bound = pair.protocol.transport.get_extra_info("socket")
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)  # or as much as is allowed
        ice.data_received = partial(_data_received, dtls, ice.data_received)


def _data_received(
    dtls: RTCDtlsTransport, otherwise: Callable[[bytes, int], None], data: bytes, component: int
) -> None:
    if not 127 < data[0] < 192 or is_rtcp(data):
        return otherwise(data, component)
    try:
        packet = RtpPacket.parse(dtls._rx_srtp.unprotect(data), dtls._rtp_header_extensions_map)
    except (pylibsrtp.Error, ValueError):
        return None
    receiver = dtls._rtp_router.route_rtp(packet)
    if receiver is not None:
        finish(receiver._handle_rtp_packet(packet, arrival_time_ms=clock.current_ms()))


def finish(coroutine: Coroutine) -> None:
    """Run a coroutine to its end that waits for nothing: RTCP, which it may send, leaves at once."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("a packet's handler waits for something; this aiortc is not the one it was written for")


class CalmEstimator(RemoteBitrateEstimator):
    """Says something new every ESTIMATE_MS at most."""

    _said_ms = -ESTIMATE_MS

    def add(
        self, arrival_time_ms: int, abs_send_time: int, payload_size: int, ssrc: int
    ) -> tuple[int, list[int]] | None:
        """The bit rate to allow and whom, or None; arguments as aiortc's."""
        estimate = super().add(arrival_time_ms, abs_send_time, payload_size, ssrc)
        if estimate is None or arrival_time_ms - self._said_ms < ESTIMATE_MS:
            return None
        self._said_ms = arrival_time_ms
        return estimate


class NativeVp8Decoder(Vp8Decoder):
    """FFmpeg's own decoder: the same pixels as libvpx, which copies each picture; with 20 streams at 7/10 of its cost."""

    def __init__(self) -> None:
        self.codec = av.CodecContext.create("vp8", "r")
        self.codec.thread_count = 1  # there is a thread a stream already


def decode(
    dropped: Counter, loop: asyncio.AbstractEventLoop, encoded: queue.Queue, decoded: asyncio.Queue,
    failed: threading.Event,
) -> None:
    """A decoder thread's main, in the place of aiortc's: frames until None comes, which goes on to the track.

    Where the processor is too slow for all of them, video becomes jerky, and neither late nor a burden on memory. Each
    frame that never comes out is counted in `dropped`, as "behind" or "broken".
    """
    name = decoder = None
    skipped = 0
    while (task := encoded.get()) is not None:
        codec, frame = task
        if codec.name != name:
            name, decoder = codec.name, rtcrtpreceiver.get_decoder(codec)
        if (skipped or encoded.qsize() > MOST_WAITING) and not is_whole_picture(frame.data):
            if skipped % ASK_EVERY == 0:
                failed.set()
            skipped += 1
            dropped.labels("behind").inc()
            continue
        skipped = 0
        try:
            frames = decoder.decode(frame)
        except av.FFmpegError as error:
            logger.info("a frame could not be decoded: %s", error)
            failed.set()
            dropped.labels("broken").inc()
            continue
        for picture in frames:
            loop.call_soon_threadsafe(decoded.put_nowait, picture)
    loop.call_soon_threadsafe(decoded.put_nowait, None)


def install(dropped: Counter) -> bool:
    """Have peer connections made from now on use all this, and count in `dropped` by reason.

    False with an aiortc it was not written for.
    """
    if not _is_known():
        logger.warning("this aiortc is not %sx: receiving costs more", WRITTEN_FOR)
        return False
    rtcrtpreceiver.decoder_worker = partial(decode, dropped)
    rtcrtpreceiver.RemoteBitrateEstimator = CalmEstimator
    codecs.Vp8Decoder = NativeVp8Decoder
    return True


def _is_known() -> bool:
    return importlib.metadata.version("aiortc").startswith(WRITTEN_FOR)
