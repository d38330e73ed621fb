"""Limits what a peer's SCTP may cost: a packet no more than its length, a peer no more than our own client needs.

aiortc 1.16 loops over gap blocks, missing numbers and waiting parts as far as a peer says they reach, answers each of
290 parameters in a packet, keeps parts that never become a message, and opens 65,535 channels. Here a peer that sends
too much loses its session, and chunks that make no sense are dropped.
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

#: How many chunks may come in one burst, and in a second. A client acknowledges answers, up to 250 packets a second,
#: and sends little else.
CHUNK_BURST, CHUNKS_PER_S = 500, 500
#: How many bytes may come in one burst, and in a second. A client's longest message has 4 KB.
BYTE_BURST, BYTES_PER_S = 256 * 1024, 64 * 1024
#: Our client uses two streams.
MAX_STREAMS = 8
#: The longest message that we accept, as SDP says; the chunks of the frames channel have half of it.
MAX_MESSAGE_BYTES = 32 * 1024
#: How many bytes and how many parts of messages may wait for missing parts. We advertise the bytes to the peer.
MAX_WAITING_BYTES, MAX_WAITING = 64 * 1024, 128
#: How far beyond the first missing chunk the number of another one may be.
MAX_AHEAD = 256
#: How many requests to reset streams a packet may have (RFC 6525 section 3.1).
MAX_PARAMS = 2
#: How many duplicate chunks one acknowledgement reports.
MAX_DUPLICATES = 32
_HALF, _WHOLE = 1 << 31, 1 << 32


class Excess(Exception):
    """A peer sent more than the limits allow."""


class LimitedSctpTransport(WindowedSctpTransport):
    """An SCTP transport with limits; it counts what it refuses.

    Rates are limited and errors caught only after `end_with` was called.
    """

    _on_ended: Callable[[str], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.room, now_s = MAX_WAITING_BYTES, time.monotonic()
        self._chunk_budget = TokenBucket(CHUNK_BURST, CHUNKS_PER_S, now_s)
        self._byte_budget = TokenBucket(BYTE_BURST, BYTES_PER_S, now_s)
        self._is_over = False

    def end_with(self, on_ended: Callable[[str], None]) -> None:
        """Have `on_ended(reason)` called once if the peer sends too much ("flood") or invalid packets ("broken")."""
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
        except Exception as error:  # aiortc raises AssertionError, struct.error and others for invalid packets
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
        """Return how far a chunk's number is beyond `last_received`, or 0 if it is not beyond it."""
        distance = (tsn - self.last_received) % _WHOLE
        return distance if distance < _HALF else 0

    def _is_wanted(self, chunk: DataChunk) -> bool:
        """Return whether a chunk of data fits our channels; raises Excess if too much data waits already."""
        is_open = chunk.stream_id in self.channels or len(self.channels) < MAX_STREAMS
        is_known = chunk.stream_id in self.streams or len(self.streams) < MAX_STREAMS
        if not (chunk.user_data and is_open and is_known and self._ahead(chunk.tsn) <= MAX_AHEAD):
            return False
        waiting = sum(len(stream.reassembly) for stream in self.streams.values())
        if waiting >= MAX_WAITING or len(chunk.user_data) > self.room:
            raise Excess
        return True

    def _was_sent(self, sack: SackChunk) -> bool:
        """Return whether everything that is acknowledged was sent, and the blocks are in order."""
        outstanding = (self.next_to_send - 1 - sack.cumulative_tsn) % _WHOLE
        ends = [1] + [end for gap in sack.gaps for end in gap]
        first_after_last = all(last < first for last, first in zip(ends[::2], ends[1::2]))
        first_to_last = all(first <= last for first, last in sack.gaps)
        return ends[-1] - 1 <= outstanding < _HALF and first_after_last and first_to_last

    def mark_received(self, tsn: int) -> bool:
        """Note a chunk's number, and return whether it had come before.

        aiortc's own method sorts all waiting numbers each time.
        """
        if not self._ahead(tsn) or tsn in self.received_beyond:
            self.received_twice[MAX_DUPLICATES - 1 :] = [tsn]
            return True
        self.received_beyond.add(tsn)
        while (following := tsn_plus_one(self.last_received)) in self.received_beyond:
            self.received_beyond.remove(following)
            self.last_received = following
        return False
