"""The fast path for the data channels' messages: datagrams are read in batches, and acknowledged as browsers do it.

aiortc 1.16 reads one datagram per turn of the event loop, looks through all parts of a message again whenever one
arrives, and acknowledges every part.
"""

import struct
from functools import partial

from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import SCTP_DATA_LAST_FRAG, DataChunk, tsn_plus_one
from google_crc32c import value as crc32c

from pipeline.webrtc.internals import dtls, ice
from pipeline.webrtc.internals.sctp import OpenSctpTransport, Take, take_packets
from pipeline.webrtc.media.fast_receive import is_dtls, read_at_once

#: An SCTP packet begins with two ports, which are skipped, the verification tag and the checksum. Then comes the first
#: chunk: type, flags, length and, in a data chunk, its number (TSN). RFC 9260, sections 3.1 and 3.3.1.
_BEGINNING, _CHUNK_AT, _BODY_AT, _DATA_AT = struct.Struct("!4xL4xBBHL"), 12, 16, 28


def attach(sctp: RTCSctpTransport | None) -> None:
    """Put a connected SCTP transport on the fast path, unless it was made without `patches.installed()`."""
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
    """Takes packets that carry exactly the next part of a message, and leaves all others to aiortc.

    The transport's state stays in aiortc's own fields. Every second part is acknowledged, and the last one of each
    message (RFC 9260, section 6.2).
    """

    def __init__(self, sctp: OpenSctpTransport, stock: Take) -> None:
        """`stock` is aiortc's handler, for all other packets."""
        self._sctp, self._stock = sctp, stock
        self._is_owed = False

    async def take(self, packet: bytes) -> None:
        """Handle one SCTP packet, in the place of aiortc's handler."""
        chunk = self._next(packet) if self._sctp.is_whole and self._sctp.state == "connected" else None
        if chunk is None:
            return await self._stock(packet)
        is_last = bool(chunk.flags & SCTP_DATA_LAST_FRAG)
        await self._sctp.accept(chunk, is_last=is_last)
        self._is_owed = not (self._is_owed or is_last)
        if not self._is_owed:
            self._sctp.acknowledge()

    def _next(self, packet: bytes) -> DataChunk | None:
        """The packet's chunk, if it is undamaged, the packet's only one, a data chunk, and the next in order."""
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
    """Whether a packet fits its checksum, which is computed with zeros in the checksum's own place."""
    return crc32c(packet[:8] + bytes(4) + packet[12:]) == int.from_bytes(packet[8:12], "little")
