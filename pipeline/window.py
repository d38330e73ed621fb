"""Answers in one round trip: a congestion window that always holds a whole one, and is filled at once.

aiortc's SCTP starts with 3 packets in flight, adds one per acknowledgement and halves with each loss: over 200 ms and
3 % loss an answer of 24 packets took a second. RTP video never slows down below its lowest bit rate either; this floor
is bounded the same way, by one answer a round trip, as no key frame is picked while an answer waits to be sent. Nor
does it leave more than 4 packets before it has heard of one; a whole picture of video comes as 60.
"""
import importlib.metadata
import logging

from aiortc.rtcsctptransport import USERDATA_MAX_LENGTH, RTCSctpTransport

logger = logging.getLogger(__name__)
_transmit = RTCSctpTransport._transmit

#: What is overridden here is private: it is used only with the version it was written for.
WRITTEN_FOR = "1.16."
#: The largest grid, that of a square picture, and its header: up to 25 KB. Most have half of it.
FLOOR_BYTES = 24 * USERDATA_MAX_LENGTH


class FlooredWindow:
    """The attribute `_cwnd`, which aiortc sets as it likes and never reads below FLOOR_BYTES."""

    def __get__(self, transport: RTCSctpTransport | None, owner: type) -> "int | FlooredWindow":
        return self if transport is None else max(FLOOR_BYTES, transport.__dict__["_cwnd"])

    def __set__(self, transport: RTCSctpTransport, size: int) -> None:
        transport.__dict__["_cwnd"] = size


async def transmit(self: RTCSctpTransport) -> None:
    """aiortc's own, until the window is full; after a loss in small bursts, as it is."""
    await _transmit(self)
    while self._outbound_queue and self._flight_size < self._cwnd and self._fast_recovery_exit is None:
        await _transmit(self)


def install() -> bool:
    """For every peer connection of this process; False with an aiortc it was not written for."""
    if not importlib.metadata.version("aiortc").startswith(WRITTEN_FOR):
        logger.warning("this aiortc is not %sx: answers start slowly on distant or lossy paths", WRITTEN_FOR)
        return False
    RTCSctpTransport._cwnd = FlooredWindow()
    RTCSctpTransport._transmit = transmit
    return True
