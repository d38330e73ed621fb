"""Answers in one round trip: a congestion window that always holds a whole one, is filled at once, and survives losses.

aiortc's SCTP starts with 3 packets in flight, adds one per acknowledgement and halves with each loss: over 200 ms and
3 % loss an answer of 24 packets took a second. RTP video never slows down below its lowest bit rate either; this floor
is bounded the same way, by one answer a round trip, as no key frame is picked while an answer waits to be sent. Nor
does it leave more than 4 packets before it has heard of one; an intra frame of video comes as 60.

One answer in four misses a packet then, and waits a round trip for it, or a second for its last one. Where packets get
lost, each is therefore sent twice. A receiver of SCTP knows them by their numbers, so this needs nothing of a client.
"""

from itertools import islice
from typing import Any

from aiortc.rtcsctptransport import USERDATA_MAX_LENGTH, DataChunk, SackChunk

from pipeline.webrtc.internals.sctp import OpenSctpTransport

#: The largest grid, that of a square picture, and its header: up to 25 KB. Most have half of it.
FLOOR_BYTES = 24 * USERDATA_MAX_LENGTH
#: So long after a gap in what arrived packets are sent twice: at 1 % of losses, one answer in nine has a gap.
LOSSY_S = 10.0
#: When a packet is sent again. Losses come in bursts, which are shorter; and what a near client has by then is not.
AGAIN_AFTER_S = 0.02
#: The shortest and the first time-out, in seconds; the longest that receivers wait before they acknowledge is 0.2.
RTO_MIN_S, RTO_INITIAL_S = 0.4, 1.0


class WindowedSctpTransport(OpenSctpTransport):
    """Sends a whole answer at once, and after a loss each packet twice."""

    least_window = FLOOR_BYTES

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lossy_until_s = 0.0

    async def transmit(self) -> None:
        """aiortc's own, until the window is full; after a loss in small bursts, as it is."""
        waiting = self.unsent
        await super().transmit()
        while self.unsent and self.has_room:
            await super().transmit()
        count = waiting - self.unsent
        if count and self.loop.time() < self._lossy_until_s:
            sent = list(islice(reversed(self.unacknowledged), count))[::-1]
            for chunk in sent:
                self.excuse(chunk, count)  # what arrives before the second one tells nothing of it
            self.loop.call_later(AGAIN_AFTER_S, self.send_all_again, sent)

    def send_all_again(self, chunks: list[DataChunk]) -> None:
        """Those of which nothing was heard."""
        for chunk in chunks:
            self.send_again(chunk)

    async def sack_received(self, sack: SackChunk) -> None:
        """aiortc's own, which does not remember that packets got lost."""
        if sack.gaps:
            self._lossy_until_s = self.loop.time() + LOSSY_S
        await super().sack_received(sack)
