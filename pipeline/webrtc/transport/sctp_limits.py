"""What one peer's SCTP may cost: no packet more than its length, no peer more than a client of ours ever needs.

aiortc 1.16 walks gap blocks, missing numbers and waiting parts in Python as far as a peer says they reach, answers each
of 290 parameters of a packet, keeps all that never becomes a message, and opens 65,535 channels. Here a peer that sends
more than it may loses its own session, and what makes no sense is dropped.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from aiortc.rtcsctptransport import Chunk, DataChunk, ForwardTsnChunk, InitChunk, ReconfigChunk, SackChunk, tsn_plus_one

from pipeline.basics.token_bucket import TokenBucket
from pipeline.webrtc.media import refusals
from pipeline.webrtc.transport.sctp_window import WindowedSctpTransport

logger = logging.getLogger(__name__)

#: Chunks at once, and a second. A client acknowledges answers, up to 250 packets a second, and says little else.
CHUNK_BURST, CHUNKS_PER_S = 500, 500
#: Bytes at once, and a second; a client's longest message has 4 KB.
BYTE_BURST, BYTES_PER_S = 256 * 1024, 64 * 1024
#: A client uses two.
MAX_STREAMS = 8
#: The longest message we take, as SDP tells; the frames channel's chunks have half of it.
MAX_MESSAGE_BYTES = 32 * 1024
#: What may wait for its missing parts: bytes, as we advertise, and parts.
MAX_WAITING_BYTES, MAX_WAITING = 64 * 1024, 128
#: How far ahead of the first missing part one may be.
MAX_AHEAD = 256
#: A packet's requests to reset streams, RFC 6525 section 3.1.
MAX_PARAMS = 2
#: Repeated parts that one acknowledgement tells of.
MAX_DUPLICATES = 32
_HALF, _WHOLE = 1 << 31, 1 << 32


class Excess(Exception):
    """A peer sent more than it may."""


class LimitedSctpTransport(WindowedSctpTransport):
    """Counts what it refuses. Rates are limited, and errors caught, once `end_with` was called."""

    _on_ended: Callable[[str], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.room, now_s = MAX_WAITING_BYTES, time.monotonic()
        self._chunk_budget = TokenBucket(CHUNK_BURST, CHUNKS_PER_S, now_s)
        self._byte_budget = TokenBucket(BYTE_BURST, BYTES_PER_S, now_s)
        self._is_over = False

    def end_with(self, on_ended: Callable[[str], None]) -> None:
        """Have `on_ended(reason)` called, once, when the peer sends too much ("flood") or nonsense ("broken")."""
        self._on_ended = on_ended

    async def packet_received(self, data: bytes) -> None:
        if self._on_ended is None:
            return await super().packet_received(data)
        if self._is_over:
            return refusals.count("sctp")
        try:
            if not self._byte_budget.take(time.monotonic(), len(data)):
                raise Excess
            await super().packet_received(data)
        except Excess:
            self._end(self._on_ended, "flood")
        except Exception as error:  # aiortc asserts, and unpacks beyond the end
            logger.info("data channels end: %s", type(error).__name__)
            self._end(self._on_ended, "broken")

    def _end(self, on_ended: Callable[[str], None], reason: str) -> None:
        self._is_over = True
        on_ended(reason)

    async def chunk_received(self, chunk: Chunk) -> None:
        if self._on_ended and not self._chunk_budget.take(time.monotonic()):
            raise Excess
        if self._makes_sense(chunk):
            await super().chunk_received(chunk)
        else:
            refusals.count("sctp")

    def _makes_sense(self, chunk: Chunk) -> bool:
        match chunk:
            case DataChunk():
                return self._is_wanted(chunk)
            case SackChunk():
                return self._was_sent(chunk)
            case ForwardTsnChunk():
                streams = self.streams.keys() | {stream_id for stream_id, _ in chunk.streams}
                return self._ahead(chunk.cumulative_tsn) <= MAX_AHEAD and len(streams) <= MAX_STREAMS
            case ReconfigChunk():
                return len(chunk.params) <= MAX_PARAMS
            case InitChunk():
                return self.state != "connected"
        return True

    def _ahead(self, tsn: int) -> int:
        """How many numbers after the last one that nothing is missing before; 0 for the ones before it."""
        distance = (tsn - self.last_received) % _WHOLE
        return distance if distance < _HALF else 0

    def _is_wanted(self, chunk: DataChunk) -> bool:
        """Raises Excess when too much waits already."""
        is_open = chunk.stream_id in self.channels or len(self.channels) < MAX_STREAMS
        is_known = chunk.stream_id in self.streams or len(self.streams) < MAX_STREAMS
        if not (chunk.user_data and is_open and is_known and self._ahead(chunk.tsn) <= MAX_AHEAD):
            return False
        waiting = sum(len(stream.reassembly) for stream in self.streams.values())
        if waiting >= MAX_WAITING or len(chunk.user_data) > self.room:
            raise Excess
        return True

    def _was_sent(self, sack: SackChunk) -> bool:
        """Whether all that is acknowledged was sent, in blocks that are in order."""
        outstanding = (self.next_to_send - 1 - sack.cumulative_tsn) % _WHOLE
        ends = [1] + [end for gap in sack.gaps for end in gap]
        first_after_last = all(last < first for last, first in zip(ends[::2], ends[1::2]))
        first_to_last = all(first <= last for first, last in sack.gaps)
        return ends[-1] - 1 <= outstanding < _HALF and first_after_last and first_to_last

    def mark_received(self, tsn: int) -> bool:
        """Whether it came before. As aiortc's, which sorts all that waits each time."""
        if not self._ahead(tsn) or tsn in self.received_beyond:
            self.received_twice[MAX_DUPLICATES - 1 :] = [tsn]
            return True
        self.received_beyond.add(tsn)
        while (following := tsn_plus_one(self.last_received)) in self.received_beyond:
            self.received_beyond.remove(following)
            self.last_received = following
        return False
