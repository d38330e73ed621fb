"""Replaces the parts of aiortc 1.16 that handle a peer's RTP and RTCP by ones that limit what a packet costs.

In aiortc, a jump of the sequence number costs a loop over all numbers that were skipped. Each SSRC is remembered for
ever, until there are too many for a report and the task that reports dies. A packet that cannot be parsed is logged
with a stack trace.
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

#: Sources (SSRCs) of one connection. A video and its retransmissions are two, simulcast six; a report has room for 31.
MOST_SOURCES = 8
#: Requests for lost packets in a second, and in one burst. They suffice for losses of 5 % at 2000 packets a second.
NACKS_PER_S, NACKS_AT_ONCE = 100, 100
#: Requests for intra frames. The jitter buffer makes two of them in a second.
PLIS_PER_S, PLIS_AT_ONCE = 4, 8
#: RTCP packets. An honest sender reports once a second, and sends some feedback.
RTCP_PER_S, RTCP_AT_ONCE = 40, 80
#: The header extensions of browsers take 20 bytes.
MOST_EXTENSION_BYTES = 64
#: A sender is told at most this often how fast it may send. aiortc tells it with each packet while the path fills up.
ESTIMATE_MS = 100
#: aiortc keeps a count of bytes for each of the last 1000 milliseconds; a longer pause would cost a long loop.
RATE_WINDOW_MS = 1000
MOST_BITS_PER_S = 10**9


class BoundedNackGenerator:
    """Finds missing packets like aiortc's NackGenerator, but keeps only those that a sender can still send again."""

    def __init__(self) -> None:
        self.max_seq: int | None = None
        self.missing: dict[int, None] = {}  # oldest first

    def add(self, packet: RtpPacket) -> bool:
        """Note a packet; return whether it reveals that packets before it are missing."""
        number = packet.sequence_number
        ahead = 0 if self.max_seq is None else (number - self.max_seq) & 0xFFFF
        if self.max_seq is None or not 0 < ahead < 0x8000:
            self.missing.pop(number, None)
            self.max_seq = number if self.max_seq is None else self.max_seq
            return False
        before, self.max_seq = self.max_seq, number
        if ahead > RTP_HISTORY_SIZE:  # the sender no longer has the missing packets, or it has started anew
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
    """aiortc's statistics, limited to numbers that fit into a report, whatever the sender's clock says."""

    @property
    def jitter(self) -> int:
        return min(max(0, super().jitter), 0xFFFFFFFF)

    @property
    def fraction_lost(self) -> int:
        return min(max(0, super().fraction_lost), 255)


class SteadyMapper:
    """Unwraps RTP timestamps. aiortc's own mapper takes each step back for a wrap, so that its time runs away."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._time = 0

    def map(self, timestamp: int) -> int:
        """Return the clock ticks from the first timestamp to this one, which are never below 0."""
        if self._last is not None:
            self._time = max(0, self._time + (timestamp - self._last + 2**31) % 2**32 - 2**31)
        self._last = timestamp
        return self._time


class CalmEstimator(RemoteBitrateEstimator):
    """aiortc's estimator, which reports at most every ESTIMATE_MS and resets itself when the numbers make no sense."""

    _reported_ms = -ESTIMATE_MS
    _arrived_ms: int | None = None

    def add(
        self, arrival_time_ms: int, abs_send_time: int, payload_size: int, ssrc: int
    ) -> tuple[int, list[int]] | None:
        """Return the bit rate to allow, and the sources it holds for, or None. The parameters are aiortc's."""
        if self._arrived_ms is not None and arrival_time_ms - self._arrived_ms >= RATE_WINDOW_MS:
            self.incoming_bitrate.reset()
        self._arrived_ms = arrival_time_ms
        try:
            estimate = super().add(arrival_time_ms, abs_send_time, payload_size, ssrc)
        except (ArithmeticError, ValueError):
            super().__init__()
            return None
        if estimate is None or arrival_time_ms - self._reported_ms < ESTIMATE_MS:
            return None
        self._reported_ms = arrival_time_ms
        return min(max(1, estimate[0]), MOST_BITS_PER_S), estimate[1][:MOST_SOURCES]


class BoundedRouter(RtpRouter):
    """aiortc's router, which knows at most MOST_SOURCES; packets of further sources are dropped and leave no trace."""

    def route_rtp(self, packet: RtpPacket) -> RtpReceiver | None:
        if packet.ssrc not in self.ssrc_table and len(self.ssrc_table) >= MOST_SOURCES:
            refusals.count("source")
            return None
        return super().route_rtp(packet)


class LenientExtensions(HeaderExtensionsMap):
    """Parses header extensions like aiortc, but ignores one that is malformed or too long; the packet is still used."""

    def get(self, extension_profile: int, extension_value: bytes) -> HeaderExtensions:
        try:
            if len(extension_value) <= MOST_EXTENSION_BYTES:
                return super().get(extension_profile, extension_value)
        except (ValueError, StructError):
            pass
        refusals.count("extension")
        return HeaderExtensions()


class Receiver(OpenReceiver):
    """aiortc's receiver, whose requests for packets and intra frames are limited, and whose end never hangs."""

    def __init__(self, kind: str, transport: RTCDtlsTransport) -> None:
        super().__init__(kind, transport)
        now_s = time.monotonic()
        self._nacks = TokenBucket(NACKS_AT_ONCE, NACKS_PER_S, now_s)
        self._plis = TokenBucket(PLIS_AT_ONCE, PLIS_PER_S, now_s)

    async def request_packets(self, ssrc: int, numbers: list[int]) -> None:
        """Ask for lost packets, unless too many requests were made; then the next gap asks for these packets too."""
        if self._nacks.take(time.monotonic()):
            await super().request_packets(ssrc, numbers)

    async def request_picture(self, ssrc: int) -> None:
        """Ask for an intra frame, unless too many requests were made; whoever needs one asks again."""
        if self._plis.take(time.monotonic()):
            await super().request_picture(ssrc)

    async def send_reports(self) -> None:
        """Send receiver reports. An error in aiortc's method ends them, but does not make `stop` wait for ever."""
        try:
            await super().send_reports()
        except Exception as error:
            logger.warning("receiver reports end (%s)", type(error).__name__)
        finally:
            self.end_reports()


class Transport(OpenDtlsTransport):
    """aiortc's DTLS transport, which drops and counts a packet that it cannot handle, and then goes on."""

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
        """Handle RTCP. If this side only receives, there is a limit, and only the parts that matter then are parsed."""
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
        """Send a packet of SCTP, or nothing after the end was announced.

        A timer of SCTP may still fire then, and nobody would retrieve its error.
        """
        if self.may_send:
            await super().send_data(data)


def unexpected(error: Exception) -> None:
    """Count an error in handling a packet. A peer decides how often this happens, so only debugging logs it."""
    refusals.count("failed")
    logger.debug("a packet could not be handled: %r", error)
