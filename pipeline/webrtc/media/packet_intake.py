"""The parts of aiortc 1.16 that handle a peer's RTP and RTCP, each with a limit to what a packet may cost or leave.

A sequence number that jumps is walked in Python, number by number; each SSRC is remembered for ever, until a report of
them all no longer packs and its task dies; and what cannot be read is written to the log with a trace.
"""

import logging
import time
from struct import error as StructError

from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceTransport
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcdtlstransport import RtpReceiver, RtpRouter
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RTP_HISTORY_SIZE, HeaderExtensions, HeaderExtensionsMap, RtpPacket

from pipeline.basics.token_bucket import TokenBucket
from pipeline.webrtc.internals.dtls import OpenDtlsTransport
from pipeline.webrtc.internals.rtp import OpenReceiver
from pipeline.webrtc.media import refusals, rtp

logger = logging.getLogger(__name__)

#: Sources of one connection: a video and its retransmissions are two, simulcast six. A report has room for 31.
MOST_SOURCES = 8
#: Requests a second, and at once: losses of 5 % at 2000 packets a second; intra frames are asked for twice a second.
NACKS_PER_S, NACKS_AT_ONCE = 100, 100
PLIS_PER_S, PLIS_AT_ONCE = 4, 8
#: RTCP packets a second: a sender's report each second, and what it says of transport feedback.
RTCP_PER_S, RTCP_AT_ONCE = 40, 80
#: Header extensions of browsers take 20 bytes.
MOST_EXTENSION_BYTES = 64
#: Senders need not hear more often how fast they may send. aiortc tells them with each packet of a path that fills up.
ESTIMATE_MS = 100
#: aiortc counts bytes for each of so many milliseconds, and walks over those in which nothing came.
RATE_WINDOW_MS = 1000
MOST_BITS_PER_S = 10**9


class BoundedNackGenerator:
    """In the place of aiortc's: what was missed is no more than a sender still has, found without a walk."""

    def __init__(self) -> None:
        self.max_seq: int | None = None
        self.missing: dict[int, None] = {}  # oldest first

    def add(self, packet: RtpPacket) -> bool:
        """Whether packets before this one are missing that were not before."""
        number = packet.sequence_number
        ahead = 0 if self.max_seq is None else (number - self.max_seq) & 0xFFFF
        if self.max_seq is None or not 0 < ahead < 0x8000:
            self.missing.pop(number, None)
            self.max_seq = number if self.max_seq is None else self.max_seq
            return False
        before, self.max_seq = self.max_seq, number
        if ahead > RTP_HISTORY_SIZE:  # what was sent before is gone, or there is a new beginning
            self.missing.clear()
            return False
        for step in range(1, ahead):
            self.missing[(before + step) & 0xFFFF] = None
        self._forget()
        return ahead > 1

    def _forget(self) -> None:
        while self.missing and self.max_seq is not None:
            oldest = next(iter(self.missing))
            if (self.max_seq - oldest) & 0xFFFF <= RTP_HISTORY_SIZE:
                return
            del self.missing[oldest]


class BoundedStatistics(StreamStatistics):
    """Whose numbers fit into a report: the sender's clock may say anything."""

    @property
    def jitter(self) -> int:
        return min(max(0, super().jitter), 0xFFFFFFFF)

    @property
    def fraction_lost(self) -> int:
        return min(max(0, super().fraction_lost), 255)


class SteadyMapper:
    """In the place of aiortc's, for which each step back is a wrap, so that time runs away."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._time = 0

    def map(self, timestamp: int) -> int:
        """Ticks since the first one; never below 0."""
        if self._last is not None:
            self._time = max(0, self._time + (timestamp - self._last + 2**31) % 2**32 - 2**31)
        self._last = timestamp
        return self._time


class CalmEstimator(RemoteBitrateEstimator):
    """Says something new every ESTIMATE_MS at most, and begins anew where the sender's numbers make no sense."""

    _said_ms = -ESTIMATE_MS
    _heard_ms: int | None = None

    def add(
        self, arrival_time_ms: int, abs_send_time: int, payload_size: int, ssrc: int
    ) -> tuple[int, list[int]] | None:
        """The bit rate to allow and whom, or None; arguments as aiortc's."""
        if self._heard_ms is not None and arrival_time_ms - self._heard_ms >= RATE_WINDOW_MS:
            self.incoming_bitrate.reset()
        self._heard_ms = arrival_time_ms
        try:
            estimate = super().add(arrival_time_ms, abs_send_time, payload_size, ssrc)
        except (ArithmeticError, ValueError):
            super().__init__()
            return None
        if estimate is None or arrival_time_ms - self._said_ms < ESTIMATE_MS:
            return None
        self._said_ms = arrival_time_ms
        return min(max(1, estimate[0]), MOST_BITS_PER_S), estimate[1][:MOST_SOURCES]


class BoundedRouter(RtpRouter):
    """Learns no more than MOST_SOURCES; a packet of one more goes nowhere, and leaves nothing behind."""

    def route_rtp(self, packet: RtpPacket) -> RtpReceiver | None:
        if packet.ssrc not in self.ssrc_table and len(self.ssrc_table) >= MOST_SOURCES:
            refusals.count("source")
            return None
        return super().route_rtp(packet)


class LenientExtensions(HeaderExtensionsMap):
    """What a peer writes into a header extension may be wrong; the packet is good without."""

    def get(self, extension_profile: int, extension_value: bytes) -> HeaderExtensions:
        try:
            if len(extension_value) <= MOST_EXTENSION_BYTES:
                return super().get(extension_profile, extension_value)
        except (ValueError, StructError):
            pass
        refusals.count("extension")
        return HeaderExtensions()


class Receiver(OpenReceiver):
    """Asks for packets and pictures within limits, and reports as long as it lives."""

    def __init__(self, kind: str, transport: RTCDtlsTransport) -> None:
        super().__init__(kind, transport)
        now_s = time.monotonic()
        self._nacks = TokenBucket(NACKS_AT_ONCE, NACKS_PER_S, now_s)
        self._plis = TokenBucket(PLIS_AT_ONCE, PLIS_PER_S, now_s)

    async def request_packets(self, ssrc: int, numbers: list[int]) -> None:
        """What is not asked for now is with the next gap."""
        if self._nacks.take(time.monotonic()):
            await super().request_packets(ssrc, numbers)

    async def request_picture(self, ssrc: int) -> None:
        """Who needs a picture asks again."""
        if self._plis.take(time.monotonic()):
            await super().request_picture(ssrc)

    async def send_reports(self) -> None:
        """aiortc's own ends with a report that does not pack, and `stop` then waits for it for ever."""
        try:
            await super().send_reports()
        except Exception as error:
            logger.warning("receiver reports end (%s)", type(error).__name__)
        finally:
            self.end_reports()


class Transport(OpenDtlsTransport):
    """A packet of its peer that cannot be handled is dropped and counted, and nothing else."""

    def __init__(self, transport: RTCIceTransport, certificates: list[RTCCertificate]) -> None:
        super().__init__(transport, certificates, router=BoundedRouter(), extensions=LenientExtensions())
        self._rtcp_budget = TokenBucket(RTCP_AT_ONCE, RTCP_PER_S, time.monotonic())

    async def rtp_received(self, data: bytes, arrival_time_ms: int) -> None:
        try:
            await super().rtp_received(data, arrival_time_ms)
        except ConnectionError:
            raise
        except Exception as error:
            unexpected(error)

    async def rtcp_received(self, data: bytes) -> None:
        """As aiortc's, but where nothing is sent, only of what concerns who receives; no more is parsed."""
        if self.only_receives and not self._rtcp_budget.take(time.monotonic()):
            return refusals.count("rtcp")
        try:
            await super().rtcp_received(rtp.sender_reports(data) if self.only_receives else data)
        except ConnectionError:
            raise
        except ValueError:
            refusals.count("malformed")
        except Exception as error:
            unexpected(error)

    async def send_data(self, data: bytes) -> None:
        """Nothing once the end is said: a timer of SCTP may ring then, in a task that nobody awaits."""
        if self.may_send:
            await super().send_data(data)


def unexpected(error: Exception) -> None:
    """A peer decides how often this happens: a counter, and no line for each."""
    refusals.count("failed")
    logger.debug("a packet could not be handled: %r", error)
