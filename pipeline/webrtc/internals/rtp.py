"""Public names for the private parts of aiortc's receivers, senders and tracks."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

from aiortc import RTCDtlsTransport, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import RemoteStreamTrack, StreamStatistics
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, RtpPacket, pack_remb_fci

#: The attributes that this file needs of each class.
NEEDS: dict[type, tuple[str, ...]] = {
    RTCRtpReceiver: (
        "_RTCRtpReceiver__codecs",
        "_RTCRtpReceiver__decoder_error",
        "_RTCRtpReceiver__decoder_queue",
        "_RTCRtpReceiver__decoder_thread",
        "_RTCRtpReceiver__jitter_buffer",
        "_RTCRtpReceiver__nack_generator",
        "_RTCRtpReceiver__remote_bitrate_estimator",
        "_RTCRtpReceiver__remote_streams",
        "_RTCRtpReceiver__rtcp_exited",
        "_RTCRtpReceiver__rtcp_ssrc",
        "_RTCRtpReceiver__rtcp_task",
        "_RTCRtpReceiver__rtx_ssrc",
        "_RTCRtpReceiver__timestamp_mapper",
        "_data",  # aiortc's receiver sets it on packets
        "_enabled",
        "_handle_disconnect",
        "_run_rtcp",
        "_send_rtcp",
        "_send_rtcp_nack",
        "_send_rtcp_pli",
    ),
    RTCRtpSender: (
        "_RTCRtpSender__ntp_timestamp",
        "_RTCRtpSender__octet_count",
        "_RTCRtpSender__packet_count",
        "_RTCRtpSender__rtcp_task",
        "_RTCRtpSender__rtp_task",
        "_RTCRtpSender__rtp_timestamp",
        "_retransmit",
        "_send_keyframe",
        "_ssrc",
    ),
    RTCRtpTransceiver: ("_codecs", "_headerExtensions"),
    RemoteStreamTrack: ("_queue",),
}


class OpenTrack(RemoteStreamTrack):
    """aiortc's remote track whose queue can be replaced."""

    def hand_over(self, queue: Any) -> None:
        """Have frames put into `queue`, which needs put and put_nowait. Call this before any frame comes."""
        self._queue = queue


class OpenReceiver(RTCRtpReceiver):
    """aiortc's receiver with methods that a subclass may override."""

    def __init__(self, kind: str, transport: RTCDtlsTransport) -> None:
        super().__init__(kind, transport)

    async def request_packets(self, ssrc: int, numbers: list[int]) -> None:
        """Ask the sender for lost packets by their sequence numbers (NACK). May be overridden."""
        await super()._send_rtcp_nack(ssrc, numbers)

    async def request_picture(self, ssrc: int) -> None:
        """Ask the sender for an intra frame (PLI). May be overridden."""
        await super()._send_rtcp_pli(ssrc)

    async def send_reports(self) -> None:
        """Send receiver reports until the task is cancelled. May be overridden."""
        await super()._run_rtcp()

    def end_reports(self) -> None:
        """Wake those who wait for the end of `send_reports`."""
        getattr(self, "_RTCRtpReceiver__rtcp_exited").set()

    async def _send_rtcp_nack(self, media_ssrc: int, lost: list[int]) -> None:
        await self.request_packets(media_ssrc, lost)

    async def _send_rtcp_pli(self, media_ssrc: int) -> None:
        await self.request_picture(media_ssrc)

    async def _run_rtcp(self) -> None:
        await self.send_reports()


class NackGenerator(Protocol):
    @property
    def missing(self) -> Iterable[int]: ...

    def add(self, packet: Any) -> bool: ...


class JitterBuffer(Protocol):
    def add(self, packet: Any) -> tuple[bool, JitterFrame | None]: ...


class IncomingVideo:
    """The parts of a receiver that handle each packet of its video, looked up once for each connection.

    They may be aiortc's or those that `patches` installed.
    """

    __slots__ = (
        "_receiver",
        "codecs",
        "decoder_queue",
        "estimator",
        "jitter_buffer",
        "needs_picture",
        "nacks",
        "originals",
        "statistics",
        "timestamps",
    )

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._receiver = receiver
        #: The codec of each payload type.
        self.codecs: dict[int, RTCRtpCodecParameters] = getattr(receiver, "_RTCRtpReceiver__codecs")
        #: The statistics of each source (SSRC).
        self.statistics: dict[int, StreamStatistics] = getattr(receiver, "_RTCRtpReceiver__remote_streams")
        #: For each source of retransmissions, the source of the original packets.
        self.originals: dict[int, int] = getattr(receiver, "_RTCRtpReceiver__rtx_ssrc")
        self.nacks: NackGenerator = getattr(receiver, "_RTCRtpReceiver__nack_generator")
        self.jitter_buffer: JitterBuffer = getattr(receiver, "_RTCRtpReceiver__jitter_buffer")
        #: This is set when a decoder cannot go on without an intra frame.
        self.needs_picture: threading.Event = getattr(receiver, "_RTCRtpReceiver__decoder_error")
        self.timestamps = getattr(receiver, "_RTCRtpReceiver__timestamp_mapper")
        self.decoder_queue = getattr(receiver, "_RTCRtpReceiver__decoder_queue")
        self.estimator = getattr(receiver, "_RTCRtpReceiver__remote_bitrate_estimator")

    def is_for(self, routed: object) -> bool:
        """Return whether a packet that was routed to `routed` is for this receiver, and the receiver takes packets."""
        return routed is self._receiver and self._receiver._enabled

    @property
    def has_decoder(self) -> bool:
        """Whether the receiver has been started and its peer is still there."""
        return self._receiver._RTCRtpReceiver__decoder_thread is not None  # type: ignore[attr-defined]  # mangled

    def request_packets(self, ssrc: int, numbers: list[int]) -> Coroutine:
        return self._receiver._send_rtcp_nack(ssrc, numbers)

    def request_picture(self, ssrc: int) -> Coroutine:
        return self._receiver._send_rtcp_pli(ssrc)

    def tell_rate(self, bits_per_s: int, ssrcs: list[int]) -> Coroutine | None:
        """Tell the sender how fast it may send (REMB); return None while our own SSRC is not known yet."""
        ours = self._receiver._RTCRtpReceiver__rtcp_ssrc  # type: ignore[attr-defined]  # mangled
        if ours is None:
            return None
        return self._receiver._send_rtcp(RtcpPsfbPacket(RTCP_PSFB_APP, ours, 0, pack_remb_fci(bits_per_s, ssrcs)))


@dataclass(slots=True)
class ReceivedPacket:
    """An RTP packet (RFC 3550 section 5.1) with the attributes that aiortc's own packets have."""

    marker: int
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    #: The profile and value of the header extension, or None.
    extension: tuple[int, bytes] | None
    payload: bytes
    _data: bytes = b""
    #: Whether it belongs to a frame that no other frame needs.
    is_droppable: bool = False

    @property
    def data(self) -> bytes:
        """The payload without its descriptor: this packet's part of the encoded frame."""
        return self._data

    @data.setter
    def data(self, data: bytes) -> None:
        self._data = data


def data_of(packets: Iterable[RtpPacket | ReceivedPacket]) -> bytes:
    """Return the encoded frame that consists of these packets."""
    return b"".join([packet._data for packet in packets])  # type: ignore[union-attr]  # aiortc sets it outside the class


class DecoderInput(Protocol):
    """Takes the place of the queue that feeds a decoder thread."""

    def begin(self, loop: asyncio.AbstractEventLoop, decoded: Any, failed: threading.Event) -> None: ...

    def put(self, task: tuple[RTCRtpCodecParameters, JitterFrame] | None) -> None: ...


class _Beginning:
    """Takes the place of the thread that aiortc starts for each stream; its `start` calls the stream's `begin`."""

    def __init__(self, *, args: tuple, **_: object) -> None:
        self._loop, self._stream, self._decoded, self._failed = args

    def start(self) -> None:
        self._stream.begin(self._loop, self._decoded, self._failed)

    def join(self) -> None:
        """Do nothing: there is no thread to wait for, and the stream ends by itself."""


def decoder_modules(make: Callable[[], DecoderInput]) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Return substitutes for the modules `queue` and `threading`, from which aiortc makes a decoder's queue and thread.

    Where aiortc makes a queue, `make` is called.
    """
    return SimpleNamespace(Queue=make), SimpleNamespace(Event=threading.Event, Thread=_Beginning)


def disconnect(receiver: RTCRtpReceiver) -> None:
    """Stop the receiver's decoder and end its track."""
    receiver._handle_disconnect()


def receiver_task(receiver: RTCRtpReceiver) -> asyncio.Future | None:
    return getattr(receiver, "_RTCRtpReceiver__rtcp_task")


def sender_tasks(sender: RTCRtpSender) -> list[asyncio.Future | None]:
    return [getattr(sender, "_RTCRtpSender__rtcp_task"), getattr(sender, "_RTCRtpSender__rtp_task")]


def payload_type(transceiver: RTCRtpTransceiver) -> int:
    """Return the payload type of the codec that is sent; the transceiver must be connected."""
    number = transceiver._codecs[0].payloadType
    assert number is not None
    return number


def extension_id(transceiver: RTCRtpTransceiver, uri: str) -> int:
    """Return the number that both sides agreed on for the header extension with this URI."""
    return next(extension.id for extension in transceiver._headerExtensions if extension.uri == uri)


def ssrc_of(sender: RTCRtpSender) -> int:
    return sender._ssrc


def answer_requests(
    sender: RTCRtpSender, send_picture: Callable[[], None], send_again: Callable[[int], Coroutine]
) -> None:
    """Have `send_picture` called when the receiver asks for an intra frame, `send_again` when it asks for a packet."""
    sender._send_keyframe = send_picture  # type: ignore[method-assign]  # for this one sender only
    sender._retransmit = send_again  # type: ignore[method-assign, assignment]


def report_sent(sender: RTCRtpSender, *, ntp: int, timestamp: int, packets: int, octets: int) -> None:
    """Set what the sender's reports say, when packets are sent without aiortc."""
    sender._RTCRtpSender__ntp_timestamp = ntp  # type: ignore[attr-defined]  # mypy knows no mangled names
    sender._RTCRtpSender__rtp_timestamp = timestamp  # type: ignore[attr-defined]
    sender._RTCRtpSender__packet_count = packets  # type: ignore[attr-defined]
    sender._RTCRtpSender__octet_count = octets  # type: ignore[attr-defined]
