"""Public names for the private parts of aiortc's SCTP transport."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection

from aiortc import RTCDtlsTransport, RTCSctpTransport
from aiortc.rtcsctptransport import Chunk, DataChunk, InboundStream, SackChunk, serialize_packet

from pipeline.webrtc.internals import dtls
from pipeline.webrtc.internals.running import run_without_suspending

Take = Callable[[bytes], Awaitable[None]]

#: The attributes that this file needs of each class.
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
    """aiortc's SCTP transport with methods that a subclass may override."""

    #: The congestion window is never smaller than this number of bytes.
    least_window = 0

    def __init__(self, transport: RTCDtlsTransport, port: int = 5000) -> None:
        super().__init__(transport, port)

    # Receiving

    async def packet_received(self, data: bytes) -> None:
        """Handle a decrypted packet. May be overridden."""
        await super()._handle_data(data)

    async def chunk_received(self, chunk: Chunk) -> None:
        """Handle one chunk of a packet. May be overridden."""
        await super()._receive_chunk(chunk)

    async def sack_received(self, sack: SackChunk) -> None:
        """Handle an acknowledgement. May be overridden."""
        await super()._receive_sack_chunk(sack)

    def mark_received(self, tsn: int) -> bool:
        """Note that the chunk with this number came; return whether it had come before. May be overridden."""
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
        """The incoming streams by number, with the chunks that wait for missing parts of their messages."""
        return self._inbound_streams

    @property
    def channels(self) -> Collection[int]:
        """The stream numbers of the open data channels."""
        return self._data_channels

    @property
    def room(self) -> int:
        """How many more bytes the peer may send, as we advertise it."""
        return self._advertised_rwnd

    @room.setter
    def room(self, size: int) -> None:
        self._advertised_rwnd = size

    @property
    def last_received(self) -> int:
        """The number of the last chunk before which none is missing. It must be known: no data comes before it is."""
        assert self._last_received_tsn is not None
        return self._last_received_tsn

    @last_received.setter
    def last_received(self, tsn: int) -> None:
        self._last_received_tsn = tsn

    @property
    def received_beyond(self) -> set[int]:
        """The numbers of the chunks that came although a chunk before them is missing."""
        return self._sack_misordered

    @property
    def received_twice(self) -> list[int]:
        return self._sack_duplicates

    @property
    def is_whole(self) -> bool:
        """Whether no chunk is missing, no duplicate is to be reported and no reset of streams is pending."""
        return not (self._sack_misordered or self._sack_duplicates or self._reconfig_deferred)

    @property
    def own_tag(self) -> int:
        """The verification tag that the peer's packets must carry."""
        return self._local_verification_tag

    async def accept(self, chunk: DataChunk, *, is_last: bool) -> None:
        """Take the chunk that follows `last_received`. With `is_last` it completes a message, which is handed over."""
        stream = self._get_inbound_stream(chunk.stream_id)
        stream.reassembly.append(chunk)
        self._last_received_tsn = chunk.tsn
        self._advertised_rwnd -= len(chunk.user_data)
        for message in stream.pop_messages() if is_last else ():
            self._advertised_rwnd += len(message[2])
            await self._receive(*message)

    def acknowledge(self) -> None:
        """Acknowledge at once all chunks up to `last_received`."""
        sack = SackChunk()
        sack.cumulative_tsn, sack.advertised_rwnd = self.last_received, max(0, self._advertised_rwnd)
        assert self._remote_port is not None, "only a connected transport has received something"
        packet = serialize_packet(self._local_port, self._remote_port, self._remote_verification_tag, sack)
        dtls.send_at_once(self.transport, packet)

    # Sending

    @property
    def _cwnd(self) -> int:  # type: ignore[override]  # aiortc may set any value, but never reads one below the least
        return max(self.least_window, self.__dict__["_cwnd"])

    @_cwnd.setter
    def _cwnd(self, size: int) -> None:
        self.__dict__["_cwnd"] = size

    async def transmit(self) -> None:
        """Send one burst of the chunks for which the window has room. May be overridden."""
        await super()._transmit()

    async def _transmit(self) -> None:
        await self.transmit()

    @property
    def next_to_send(self) -> int:
        """The number of the next chunk that is sent."""
        return self._local_tsn

    @property
    def unsent(self) -> int:
        """How many chunks wait for room in the window."""
        return len(self._outbound_queue)

    @property
    def unacknowledged(self) -> deque[DataChunk]:
        """The chunks that were sent and are not acknowledged yet, oldest first."""
        return self._sent_queue

    @property
    def has_room(self) -> bool:
        """Whether the window has room, and the transport is not recovering from a loss."""
        return self._flight_size < self._cwnd and self._fast_recovery_exit is None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None
        return self._loop

    def excuse(self, chunk: DataChunk, reports: int) -> None:
        """Have the next `reports` reports that this chunk is missing ignored."""
        chunk._misses = -reports

    def send_again(self, chunk: DataChunk) -> None:
        """Send a chunk again at once, if it is not acknowledged yet and the connection is up."""
        if self.state == "connected" and chunk._in_flight:
            run_without_suspending(self._send_chunk(chunk))


def take_packets(sctp: RTCSctpTransport, make: Callable[[Take], Take]) -> None:
    """Replace the function that handles the packets of one transport by `make(the present one)`."""
    sctp._handle_data = make(sctp._handle_data)  # type: ignore[method-assign, assignment]


def close(sctp: RTCSctpTransport) -> None:
    """Set the transport's state to closed, without telling the peer."""
    sctp._set_state(RTCSctpTransport.State.CLOSED)
