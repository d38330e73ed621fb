"""The short way for what a gateway sends: read all at once, and acknowledged as browsers do it.

aiortc 1.16 takes one datagram a turn of the event loop, and acknowledges every one.
"""
from aiortc import RTCSctpTransport

from pipeline.express import deliver, is_dtls, read_at_once


def shorten(sctp: RTCSctpTransport) -> None:
    """To be called once it is connected."""
    sctp._send_sack = Acknowledgement(sctp).send
    ice = sctp.transport.transport._connection
    otherwise = ice.data_received
    ice.data_received = lambda data, component: (
        deliver(sctp.transport, data) if is_dtls(data) else otherwise(data, component)
    )
    read_at_once(ice)


class Acknowledgement:
    """Of every other packet and of each message's last, RFC 9260 section 6.2; of all while any is missing."""

    def __init__(self, sctp: RTCSctpTransport) -> None:
        self._sctp, self._stock = sctp, sctp._send_sack
        self._owed = 0

    async def send(self) -> None:
        """In the place of aiortc's."""
        self._owed += 1
        if self._owed == 2 or not self._more_to_come():
            self._owed = 0
            await self._stock()
        else:
            self._sctp._sack_needed = False

    def _more_to_come(self) -> bool:
        """Whether the rest of a message is on its way, and nothing was lost or doubled."""
        sctp = self._sctp
        amid = any(stream.reassembly for stream in sctp._inbound_streams.values())
        return amid and not sctp._sack_misordered and not sctp._sack_duplicates
