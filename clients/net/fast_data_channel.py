"""The short way for what a gateway sends: read all at once, and acknowledged as browsers do it.

aiortc 1.16 takes one datagram a turn of the event loop, goes through a message's parts again with each that comes, and
acknowledges every one.
"""

import struct

from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import (
    SCTP_DATA_LAST_FRAG,
    DataChunk,
    SackChunk,
    serialize_packet,
    tsn_plus_one,
)
from google_crc32c import value as crc32c

from clients.net.udp_send import leave
from pipeline.webrtc.media.fast_receive import DATAGRAM_BYTES, deliver, is_dtls, read_at_once

#: Tag, checksum, then of the first chunk: type, flags, length, number. RFC 9260 sections 3.1 and 3.3.1.
_BEGINNING, _CHUNK_AT, _BODY_AT, _DATA_AT = struct.Struct("!4xL4xBBHL"), 12, 16, 28


def attach(sctp: RTCSctpTransport) -> None:
    """To be called once it is connected."""
    sctp._handle_data = FastDataChannel(sctp).take
    ice = sctp.transport.transport._connection
    otherwise = ice.data_received
    ice.data_received = lambda data, component: (
        deliver(sctp.transport, data) if is_dtls(data) else otherwise(data, component)
    )
    read_at_once(ice)


class FastDataChannel:
    """For the next part of a message while nothing is missing; aiortc, whose state this is, gets all else.

    Every other part is acknowledged and each message's last, RFC 9260 section 6.2; aiortc acknowledges all it gets.
    """

    def __init__(self, sctp: RTCSctpTransport) -> None:
        self._sctp, self._stock = sctp, sctp._handle_data
        self._is_owed = False

    async def take(self, packet: bytes) -> None:
        """In the place of aiortc's."""
        chunk = self._next(packet) if self._misses_nothing() else None
        if chunk is None:
            return await self._stock(packet)
        is_last = bool(chunk.flags & SCTP_DATA_LAST_FRAG)
        await self._keep(chunk, is_last)
        self._is_owed = not (self._is_owed or is_last)
        if not self._is_owed:
            self._acknowledge()

    def _misses_nothing(self) -> bool:
        sctp = self._sctp
        is_amid = sctp._sack_misordered or sctp._sack_duplicates or sctp._reconfig_deferred
        return sctp.state == "connected" and not is_amid

    def _next(self, packet: bytes) -> DataChunk | None:
        """A whole packet's only chunk, if it is data and the next that is due."""
        if len(packet) <= _DATA_AT:
            return None
        tag, kind, flags, length, number = _BEGINNING.unpack_from(packet)
        end = _CHUNK_AT + length
        is_alone = kind == DataChunk.type and _DATA_AT < end <= len(packet) < end + 4
        is_due = tag == self._sctp._local_verification_tag and number == tsn_plus_one(self._sctp._last_received_tsn)
        if not (is_alone and is_due and _is_whole(packet)):
            return None
        return DataChunk(flags, packet[_BODY_AT:end])

    async def _keep(self, chunk: DataChunk, is_last: bool) -> None:
        """Hand over the message that the last part of one completes; no other part can."""
        sctp, stream = self._sctp, self._sctp._get_inbound_stream(chunk.stream_id)
        stream.reassembly.append(chunk)
        sctp._last_received_tsn = chunk.tsn
        sctp._advertised_rwnd -= len(chunk.user_data)
        for message in stream.pop_messages() if is_last else ():
            sctp._advertised_rwnd += len(message[2])
            await sctp._receive(*message)

    def _acknowledge(self) -> None:
        """All there was so far."""
        sctp, sack = self._sctp, SackChunk()
        sack.cumulative_tsn, sack.advertised_rwnd = sctp._last_received_tsn, max(0, sctp._advertised_rwnd)
        dtls = sctp.transport
        dtls._ssl.send(serialize_packet(sctp._local_port, sctp._remote_port, sctp._remote_verification_tag, sack))
        leave(dtls.transport._connection, dtls._ssl.bio_read(DATAGRAM_BYTES))


def _is_whole(packet: bytes) -> bool:
    """By its checksum, which is of 0 in its own place."""
    return crc32c(packet[:8] + bytes(4) + packet[12:]) == int.from_bytes(packet[8:12], "little")
