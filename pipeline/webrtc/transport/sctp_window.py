"""Answers in one round trip: a congestion window that always holds a whole one, is filled at once, and survives losses.

aiortc's SCTP starts with 3 packets in flight, adds one per acknowledgement and halves with each loss: over 200 ms and
3 % loss an answer of 24 packets took a second. RTP video never slows down below its lowest bit rate either; this floor
is bounded the same way, by one answer a round trip, as no key frame is picked while an answer waits to be sent. Nor
does it leave more than 4 packets before it has heard of one; an intra frame of video comes as 60.

One answer in four misses a packet then, and waits a round trip for it, or a second for its last one. Where packets get
lost, each is therefore sent twice. A receiver of SCTP knows them by their numbers, so this needs nothing of a client.
"""

import importlib.metadata
import logging
from itertools import islice

from aiortc import rtcsctptransport
from aiortc.rtcsctptransport import USERDATA_MAX_LENGTH, DataChunk, RTCSctpTransport, SackChunk

from pipeline.webrtc.media.fast_receive import run_without_suspending

logger = logging.getLogger(__name__)
_transmit = RTCSctpTransport._transmit
_receive_sack_chunk = RTCSctpTransport._receive_sack_chunk

#: What is overridden here is private: it is used only with the version it was written for.
WRITTEN_FOR = "1.16."
#: The largest grid, that of a square picture, and its header: up to 25 KB. Most have half of it.
FLOOR_BYTES = 24 * USERDATA_MAX_LENGTH
#: So long after a gap in what arrived packets are sent twice: at 1 % of losses, one answer in nine has a gap.
LOSSY_S = 10.0
#: When a packet is sent again. Losses come in bursts, which are shorter; and what a near client has by then is not.
AGAIN_AFTER_S = 0.02
#: The shortest and the first time-out, in seconds; the longest that receivers wait before they acknowledge is 0.2.
RTO_MIN_S, RTO_INITIAL_S = 0.4, 1.0


class FlooredWindow:
    """The attribute `_cwnd`, which aiortc sets as it likes and never reads below FLOOR_BYTES."""

    def __get__(self, transport: RTCSctpTransport | None, owner: type) -> "int | FlooredWindow":
        return self if transport is None else max(FLOOR_BYTES, transport.__dict__["_cwnd"])

    def __set__(self, transport: RTCSctpTransport, size: int) -> None:
        transport.__dict__["_cwnd"] = size


async def transmit(self: RTCSctpTransport) -> None:
    """aiortc's own, until the window is full; after a loss in small bursts, as it is."""
    waiting = len(self._outbound_queue)
    await _transmit(self)
    while self._outbound_queue and self._flight_size < self._cwnd and self._fast_recovery_exit is None:
        await _transmit(self)
    count = waiting - len(self._outbound_queue)
    if count and self._loop.time() < getattr(self, "_lossy_until_s", 0.0):
        sent = list(islice(reversed(self._sent_queue), count))[::-1]
        for chunk in sent:
            chunk._misses = -count  # what arrives before the second one tells nothing of it
        self._loop.call_later(AGAIN_AFTER_S, send_again, self, sent)


def send_again(self: RTCSctpTransport, chunks: list[DataChunk]) -> None:
    """Those of which nothing was heard."""
    for chunk in chunks:
        if self.state == "connected" and chunk._in_flight:
            run_without_suspending(self._send_chunk(chunk))


async def receive_sack_chunk(self: RTCSctpTransport, sack: SackChunk) -> None:
    """aiortc's own, which does not remember that packets got lost."""
    if sack.gaps:
        self._lossy_until_s = self._loop.time() + LOSSY_S
    await _receive_sack_chunk(self, sack)


def install() -> bool:
    """For every peer connection of this process; False with an aiortc it was not written for."""
    if not importlib.metadata.version("aiortc").startswith(WRITTEN_FOR):
        logger.warning("this aiortc is not %sx: answers start slowly on distant or lossy paths", WRITTEN_FOR)
        return False
    RTCSctpTransport._cwnd = FlooredWindow()
    RTCSctpTransport._transmit = transmit
    RTCSctpTransport._receive_sack_chunk = receive_sack_chunk
    rtcsctptransport.SCTP_RTO_MIN, rtcsctptransport.SCTP_RTO_INITIAL = RTO_MIN_S, RTO_INITIAL_S
    return True
