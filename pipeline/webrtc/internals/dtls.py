"""Public names for the private parts of aiortc's DTLS transport, its certificate, and the keys of a connection."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceTransport
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtp import HeaderExtensionsMap
from OpenSSL import SSL

from pipeline.webrtc.internals import ice
from pipeline.webrtc.internals.running import run_without_suspending

logger = logging.getLogger(__name__)

#: No datagram is longer; those of SRTP have at most 1500 bytes.
DATAGRAM_BYTES = 2048
#: The attributes that this file needs of each class.
NEEDS: dict[type, tuple[str, ...]] = {
    RTCCertificate: ("_create_ssl_context",),
    RTCDtlsTransport: (
        "_RTCDtlsTransport__rx_bytes",
        "_RTCDtlsTransport__rx_packets",
        "_data_receiver",
        "_handle_rtcp_data",
        "_handle_rtp_data",
        "_rtp_header_extensions_map",
        "_rtp_router",
        "_rx_srtp",
        "_send_data",
        "_ssl",
        "_task",
        "_tx_srtp",
        "_write_ssl",
    ),
}


class OpenCertificate(RTCCertificate):
    """aiortc's certificate with a method that a subclass may override."""

    def prepare(self, context: SSL.Context) -> None:
        """Set further options of a new context. May be overridden."""

    def _create_ssl_context(self, srtp_profiles: list) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        self.prepare(context)
        return context


class OpenDtlsTransport(RTCDtlsTransport):
    """aiortc's DTLS transport with methods that a subclass may override."""

    def __init__(
        self,
        transport: RTCIceTransport,
        certificates: list[RTCCertificate],
        *,
        router: RtpRouter | None = None,
        extensions: HeaderExtensionsMap | None = None,
    ) -> None:
        """`router` and `extensions`, if they are given, replace aiortc's own."""
        super().__init__(transport, certificates)
        self._rtp_router = router or self._rtp_router
        self._rtp_header_extensions_map = extensions or self._rtp_header_extensions_map

    @property
    def only_receives(self) -> bool:
        return not self._rtp_router.senders

    @property
    def may_send(self) -> bool:
        """Whether the transport is connected and we have not announced its end."""
        is_open = self._ssl is not None and not self._ssl.get_shutdown() & SSL.SENT_SHUTDOWN
        return is_open and self.state == "connected"

    async def rtp_received(self, data: bytes, arrival_time_ms: int) -> None:
        """Handle a decrypted RTP packet. May be overridden."""
        await super()._handle_rtp_data(data, arrival_time_ms=arrival_time_ms)

    async def rtcp_received(self, data: bytes) -> None:
        """Handle a decrypted compound RTCP packet. May be overridden."""
        await super()._handle_rtcp_data(data)

    async def send_data(self, data: bytes) -> None:
        """Encrypt and send a packet of SCTP. May be overridden."""
        await super()._send_data(data)

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        await self.rtp_received(data, arrival_time_ms)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        await self.rtcp_received(data)

    async def _send_data(self, data: bytes) -> None:
        await self.send_data(data)


class IncomingPackets:
    """The parts of a DTLS transport that handle each packet of a connected peer, looked up once for each connection."""

    __slots__ = ("_dtls", "extensions", "route")

    def __init__(self, dtls: RTCDtlsTransport) -> None:
        self._dtls = dtls
        #: Returns the receiver that a packet is for, or None.
        self.route: Callable[[Any], object] = dtls._rtp_router.route_rtp
        #: Parses a header extension, given its profile and value.
        self.extensions = dtls._rtp_header_extensions_map.get

    def decrypt(self, data: bytes) -> bytes:
        """Return the decrypted packet in a datagram, and count it as received; raises pylibsrtp.Error."""
        count_received(self._dtls, len(data))
        return self._dtls._rx_srtp.unprotect(data)


def count_received(dtls: RTCDtlsTransport, size: int) -> None:
    """Add a datagram of `size` bytes to aiortc's own statistics."""
    dtls._RTCDtlsTransport__rx_bytes += size  # type: ignore[attr-defined]  # mypy knows no mangled names
    dtls._RTCDtlsTransport__rx_packets += 1  # type: ignore[attr-defined]


def protector(dtls: RTCDtlsTransport) -> Callable[[bytes], bytes]:
    """Return the function that encrypts RTP packets of a connected transport."""
    return dtls._tx_srtp.protect


def send_at_once(dtls: RTCDtlsTransport, plain: bytes) -> None:
    """Encrypt a packet of SCTP and send it past all queues; do nothing once the connection is closed."""
    if dtls._ssl is not None:
        dtls._ssl.send(plain)
        ice.send(ice.connection_below(dtls), dtls._ssl.bio_read(DATAGRAM_BYTES))


def deliver(dtls: RTCDtlsTransport, data: bytes) -> None:
    """Handle a datagram of data channels as RTCDtlsTransport._recv_next does: an error ends the connection."""
    count_received(dtls, len(data))
    ssl, is_read = dtls._ssl, False
    assert ssl is not None, "the transport must be connected"
    try:
        ssl.bio_write(data)
        while True:  # a datagram mostly holds one record, but records that are not read would pile up
            plain = ssl.recv(DATAGRAM_BYTES)
            is_read = True
            if dtls._data_receiver:  # otherwise our SCTP has not started yet, and the peer will send this again
                run_without_suspending(dtls._data_receiver._handle_data(plain))
    except SSL.WantReadError:
        if not is_read:  # this was a late part of the handshake, which may need an answer
            run_without_suspending(dtls._write_ssl())
    except Exception as error:
        logger.info("data channels end: %r", error)
        ice.wake(ice.connection_below(dtls))


def task(dtls: RTCDtlsTransport) -> asyncio.Future | None:
    """Return the task that reads from the transport."""
    return dtls._task
