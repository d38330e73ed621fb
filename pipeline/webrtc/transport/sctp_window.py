"""Delivers an answer in one round trip: the congestion window always has room for a whole answer, even after losses.

aiortc's SCTP starts with 3 packets in flight, adds one with each acknowledgement and halves the window with each loss:
over a round trip of 200 ms with 3 % loss, an answer of 24 packets took a second. A window with a floor remains fair to
other traffic: it sends one answer in a round trip at most, since no key frame is picked while an answer waits to be
sent. Video over RTP has a lowest bit rate too. No burst is longer than 4 packets, while an intra frame comes as 60.

With these losses one answer in four still misses a packet, and waits a round trip for it, or a second if it is the last
one. While packets get lost, each is therefore sent twice. A receiver of SCTP recognises duplicates by their numbers, so
clients need no change.
"""

from itertools import islice
from typing import Any

from aiortc.rtcsctptransport import USERDATA_MAX_LENGTH, DataChunk, SackChunk

from pipeline.webrtc.internals.sctp import OpenSctpTransport

#: The largest grid, that of a square picture, has up to 25 KB with its header. Most have half of that.
FLOOR_BYTES = 24 * USERDATA_MAX_LENGTH
#: For this long after a gap in the received packets, each is sent twice. With 1 % loss one answer in nine has a gap.
LOSSY_S = 10.0
#: The second copy is sent after this time. Bursts of losses are shorter, and a near client has acknowledged the first
#: copy by then, so that it gets no second one.
AGAIN_AFTER_S = 0.02
#: The shortest and the first time-out. Receivers wait up to 0.2 s before they acknowledge.
RTO_MIN_S, RTO_INITIAL_S = 0.4, 1.0


class WindowedSctpTransport(OpenSctpTransport):
    """An SCTP transport that sends a whole answer at once, and each packet twice for a while after a loss."""

    least_window = FLOOR_BYTES

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lossy_until_s = 0.0

    async def transmit(self) -> None:
        """Call aiortc's method until the window is full, or once while it recovers from a loss."""
        waiting = self.unsent
        await super().transmit()
        while self.unsent and self.has_room:
            await super().transmit()
        count = waiting - self.unsent
        if count and self.loop.time() < self._lossy_until_s:
            sent = list(islice(reversed(self.unacknowledged), count))[::-1]
            for chunk in sent:
                self.excuse(chunk, count)  # reports on the first copies must not make aiortc send it a third time
            self.loop.call_later(AGAIN_AFTER_S, self.send_all_again, sent)

    def send_all_again(self, chunks: list[DataChunk]) -> None:
        """Send the second copies of those chunks that are not acknowledged yet."""
        for chunk in chunks:
            self.send_again(chunk)

    async def sack_received(self, sack: SackChunk) -> None:
        """Handle an acknowledgement as aiortc does, and note whether packets got lost."""
        if sack.gaps:
            self._lossy_until_s = self.loop.time() + LOSSY_S
        await super().sack_received(sack)
