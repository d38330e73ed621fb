"""The fast path for what a gateway sends: read all at once, and acknowledged as browsers do it.

aiortc 1.16 takes one datagram a turn of the event loop, goes through a message's parts again with each that comes, and
acknowledges every one.
"""

import struct
from functools import partial

from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import SCTP_DATA_LAST_FRAG, DataChunk, tsn_plus_one
from google_crc32c import value as crc32c

from pipeline.webrtc.internals import dtls, ice
from pipeline.webrtc.internals.sctp import OpenSctpTransport, Take, take_packets
from pipeline.webrtc.media.fast_receive import is_dtls, read_at_once

#: Tag, checksum, then of the first chunk: type, flags, length, number. RFC 9260 sections 3.1 and 3.3.1.
_BEGINNING, _CHUNK_AT, _BODY_AT, _DATA_AT = struct.Struct("!4xL4xBBHL"), 12, 16, 28


def attach(sctp: RTCSctpTransport | None) -> None:
    """To be called once it is connected. Where the connection was made without our parts, it stays as it is."""
    if isinstance(sctp, OpenSctpTransport):
        take_packets(sctp, lambda stock: FastDataChannel(sctp, stock).take)
        connection = ice.connection_below(sctp.transport)
        otherwise = connection.data_received
        ice.redirect(connection, partial(_received, sctp, otherwise))
        read_at_once(connection)


def _received(sctp: RTCSctpTransport, otherwise: ice.Received, data: bytes, component: int) -> None:
    if is_dtls(data):
        dtls.deliver(sctp.transport, data)
    else:
        otherwise(data, component)


class FastDataChannel:
    """For the next part of a message while nothing is missing; aiortc, whose state this is, gets all else.

    Every other part is acknowledged and each message's last, RFC 9260 section 6.2; aiortc acknowledges all it gets.
    """

    def __init__(self, sctp: OpenSctpTransport, stock: Take) -> None:
        """`stock` is who takes all else."""
        self._sctp, self._stock = sctp, stock
        self._is_owed = False

    async def take(self, packet: bytes) -> None:
        """In the place of aiortc's."""
        chunk = self._next(packet) if self._sctp.is_whole and self._sctp.state == "connected" else None
        if chunk is None:
            return await self._stock(packet)
        is_last = bool(chunk.flags & SCTP_DATA_LAST_FRAG)
        await self._sctp.accept(chunk, is_last=is_last)
        self._is_owed = not (self._is_owed or is_last)
        if not self._is_owed:
            self._sctp.acknowledge()

    def _next(self, packet: bytes) -> DataChunk | None:
        """A whole packet's only chunk, if it is data and the next that is due."""
        if len(packet) <= _DATA_AT:
            return None
        tag, kind, flags, length, number = _BEGINNING.unpack_from(packet)
        end = _CHUNK_AT + length
        is_alone = kind == DataChunk.type and _DATA_AT < end <= len(packet) < end + 4
        is_due = tag == self._sctp.own_tag and number == tsn_plus_one(self._sctp.last_received)
        if not (is_alone and is_due and _is_whole(packet)):
            return None
        return DataChunk(flags, packet[_BODY_AT:end])


def _is_whole(packet: bytes) -> bool:
    """By its checksum, which is of 0 in its own place."""
    return crc32c(packet[:8] + bytes(4) + packet[12:]) == int.from_bytes(packet[8:12], "little")
