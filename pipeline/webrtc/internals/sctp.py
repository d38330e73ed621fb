"""aiortc's SCTP transport, under plain names."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection

from aiortc import RTCDtlsTransport, RTCSctpTransport
from aiortc.rtcsctptransport import Chunk, DataChunk, InboundStream, SackChunk, serialize_packet

from pipeline.webrtc.internals import dtls
from pipeline.webrtc.internals.running import run_without_suspending

Take = Callable[[bytes], Awaitable[None]]

#: What each class must have for this file to work.
NEEDS: dict[type, tuple[str, ...]] = {
    DataChunk: ("_in_flight", "_misses"),
    RTCSctpTransport: (
        "_advertised_rwnd",
        "_cwnd",
        "_data_channels",
        "_fast_recovery_exit",
        "_flight_size",
        "_get_inbound_stream",
        "_handle_data",
        "_inbound_streams",
        "_last_received_tsn",
        "_local_port",
        "_local_tsn",
        "_local_verification_tag",
        "_loop",
        "_mark_received",
        "_outbound_queue",
        "_receive",
        "_receive_chunk",
        "_receive_sack_chunk",
        "_reconfig_deferred",
        "_remote_port",
        "_remote_verification_tag",
        "_sack_duplicates",
        "_sack_misordered",
        "_send_chunk",
        "_sent_queue",
        "_set_state",
        "_transmit",
    ),
}


class OpenSctpTransport(RTCSctpTransport):
    """aiortc's, for a class of ours to build on."""

    #: Bytes; the congestion window is never smaller.
    least_window = 0

    def __init__(self, transport: RTCDtlsTransport, port: int = 5000) -> None:
        super().__init__(transport, port)

    # what comes

    async def packet_received(self, data: bytes) -> None:
        """To be overridden."""
        await super()._handle_data(data)

    async def chunk_received(self, chunk: Chunk) -> None:
        """To be overridden."""
        await super()._receive_chunk(chunk)

    async def sack_received(self, sack: SackChunk) -> None:
        """To be overridden."""
        await super()._receive_sack_chunk(sack)

    def mark_received(self, tsn: int) -> bool:
        """Whether the chunk of this number came before. To be overridden."""
        return super()._mark_received(tsn)

    async def _handle_data(self, data: bytes) -> None:
        await self.packet_received(data)

    async def _receive_chunk(self, chunk: Chunk) -> None:
        await self.chunk_received(chunk)

    async def _receive_sack_chunk(self, chunk: SackChunk) -> None:
        await self.sack_received(chunk)

    def _mark_received(self, tsn: int) -> bool:
        return self.mark_received(tsn)

    @property
    def streams(self) -> dict[int, InboundStream]:
        """What waits for its missing parts."""
        return self._inbound_streams

    @property
    def channels(self) -> Collection[int]:
        """Numbers of those that are open."""
        return self._data_channels

    @property
    def room(self) -> int:
        """Bytes that may still come, as the peer is told."""
        return self._advertised_rwnd

    @room.setter
    def room(self, size: int) -> None:
        self._advertised_rwnd = size

    @property
    def last_received(self) -> int:
        """The number that nothing is missing before; no chunk of data is handled before there is one."""
        assert self._last_received_tsn is not None
        return self._last_received_tsn

    @last_received.setter
    def last_received(self, tsn: int) -> None:
        self._last_received_tsn = tsn

    @property
    def received_beyond(self) -> set[int]:
        """Numbers of chunks that came although one before them is missing."""
        return self._sack_misordered

    @property
    def received_twice(self) -> list[int]:
        return self._sack_duplicates

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing, nor about to be said of what came."""
        return not (self._sack_misordered or self._sack_duplicates or self._reconfig_deferred)

    @property
    def own_tag(self) -> int:
        """What the peer's packets carry."""
        return self._local_verification_tag

    async def accept(self, chunk: DataChunk, *, is_last: bool) -> None:
        """Take the chunk that follows `last_received`, and hand over the message that it completes: `is_last`."""
        stream = self._get_inbound_stream(chunk.stream_id)
        stream.reassembly.append(chunk)
        self._last_received_tsn = chunk.tsn
        self._advertised_rwnd -= len(chunk.user_data)
        for message in stream.pop_messages() if is_last else ():
            self._advertised_rwnd += len(message[2])
            await self._receive(*message)

    def acknowledge(self) -> None:
        """Tell the peer at once what there was so far."""
        sack = SackChunk()
        sack.cumulative_tsn, sack.advertised_rwnd = self.last_received, max(0, self._advertised_rwnd)
        assert self._remote_port is not None  # of a connected transport
        packet = serialize_packet(self._local_port, self._remote_port, self._remote_verification_tag, sack)
        dtls.send_at_once(self.transport, packet)

    # what leaves

    @property
    def _cwnd(self) -> int:  # type: ignore[override]  # aiortc sets it as it likes, and never reads less than this
        return max(self.least_window, self.__dict__["_cwnd"])

    @_cwnd.setter
    def _cwnd(self, size: int) -> None:
        self.__dict__["_cwnd"] = size

    async def transmit(self) -> None:
        """Send what the window has room for, one burst of it. To be overridden."""
        await super()._transmit()

    async def _transmit(self) -> None:
        await self.transmit()

    @property
    def next_to_send(self) -> int:
        """The number of the next chunk."""
        return self._local_tsn

    @property
    def unsent(self) -> int:
        """Chunks that wait for room in the window."""
        return len(self._outbound_queue)

    @property
    def unacknowledged(self) -> deque[DataChunk]:
        """Chunks that were sent, oldest first."""
        return self._sent_queue

    @property
    def has_room(self) -> bool:
        """Whether the window has, and no loss has been noticed that it should recover from."""
        return self._flight_size < self._cwnd and self._fast_recovery_exit is None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None
        return self._loop

    def excuse(self, chunk: DataChunk, reports: int) -> None:
        """Take a chunk for lost only after so many more reports that it is missing."""
        chunk._misses = -reports

    def send_again(self, chunk: DataChunk) -> None:
        """At once, if nothing was heard of it yet and the connection is up."""
        if self.state == "connected" and chunk._in_flight:
            run_without_suspending(self._send_chunk(chunk))


def take_packets(sctp: RTCSctpTransport, make: Callable[[Take], Take]) -> None:
    """Have packets of one transport handled by what `make` gives; it is given who handled them before."""
    sctp._handle_data = make(sctp._handle_data)  # type: ignore[method-assign, assignment]


def close(sctp: RTCSctpTransport) -> None:
    """Take it for closed, without telling the peer."""
    sctp._set_state(RTCSctpTransport.State.CLOSED)
