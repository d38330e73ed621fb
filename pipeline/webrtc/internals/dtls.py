"""aiortc's DTLS transport, its certificate, and the keys of a connection, under plain names."""

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

#: The longest datagram; SRTP takes 1500 bytes.
DATAGRAM_BYTES = 2048
#: What each class must have for this file to work.
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
    """aiortc's, for a class of ours to build on."""

    def prepare(self, context: SSL.Context) -> None:
        """To be overridden: what else a context needs."""

    def _create_ssl_context(self, srtp_profiles: list) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        self.prepare(context)
        return context


class OpenDtlsTransport(RTCDtlsTransport):
    """aiortc's, for a class of ours to build on."""

    def __init__(
        self,
        transport: RTCIceTransport,
        certificates: list[RTCCertificate],
        *,
        router: RtpRouter | None = None,
        extensions: HeaderExtensionsMap | None = None,
    ) -> None:
        """`router` and `extensions` take the place of aiortc's own."""
        super().__init__(transport, certificates)
        self._rtp_router = router or self._rtp_router
        self._rtp_header_extensions_map = extensions or self._rtp_header_extensions_map

    @property
    def only_receives(self) -> bool:
        return not self._rtp_router.senders

    @property
    def may_send(self) -> bool:
        """Whether the end is not yet said."""
        is_open = self._ssl is not None and not self._ssl.get_shutdown() & SSL.SENT_SHUTDOWN
        return is_open and self.state == "connected"

    async def rtp_received(self, data: bytes, arrival_time_ms: int) -> None:
        """Handle a decrypted packet. To be overridden."""
        await super()._handle_rtp_data(data, arrival_time_ms=arrival_time_ms)

    async def rtcp_received(self, data: bytes) -> None:
        """Handle a decrypted compound packet. To be overridden."""
        await super()._handle_rtcp_data(data)

    async def send_data(self, data: bytes) -> None:
        """Encrypt and send a packet of SCTP. To be overridden."""
        await super()._send_data(data)

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        await self.rtp_received(data, arrival_time_ms)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        await self.rtcp_received(data)

    async def _send_data(self, data: bytes) -> None:
        await self.send_data(data)


class IncomingPackets:
    """What each packet of a connected peer needs, bound once a connection."""

    __slots__ = ("_dtls", "extensions", "route")

    def __init__(self, dtls: RTCDtlsTransport) -> None:
        self._dtls = dtls
        #: The receiver that a packet is for, or None.
        self.route: Callable[[Any], object] = dtls._rtp_router.route_rtp
        #: What a header extension's profile and value say.
        self.extensions = dtls._rtp_header_extensions_map.get

    def decrypt(self, data: bytes) -> bytes:
        """The packet in a datagram, which is counted; raises pylibsrtp.Error."""
        count_received(self._dtls, len(data))
        return self._dtls._rx_srtp.unprotect(data)


def count_received(dtls: RTCDtlsTransport, size: int) -> None:
    """One more datagram, for aiortc's own statistics."""
    dtls._RTCDtlsTransport__rx_bytes += size  # type: ignore[attr-defined]  # mypy knows no mangled names
    dtls._RTCDtlsTransport__rx_packets += 1  # type: ignore[attr-defined]


def protector(dtls: RTCDtlsTransport) -> Callable[[bytes], bytes]:
    """What encrypts RTP packets of a connected transport."""
    return dtls._tx_srtp.protect


def send_at_once(dtls: RTCDtlsTransport, plain: bytes) -> None:
    """Encrypt a packet of SCTP and send it, past everybody's queues; nowhere once the connection is closed."""
    if dtls._ssl is not None:
        dtls._ssl.send(plain)
        ice.send(ice.connection_below(dtls), dtls._ssl.bio_read(DATAGRAM_BYTES))


def deliver(dtls: RTCDtlsTransport, data: bytes) -> None:
    """A datagram of data channels, as RTCDtlsTransport._recv_next does; trouble ends the connection, as there."""
    count_received(dtls, len(data))
    ssl, is_read = dtls._ssl, False
    assert ssl is not None  # a connected transport has one
    try:
        ssl.bio_write(data)
        while True:  # one record mostly; what stays in there would grow
            plain = ssl.recv(DATAGRAM_BYTES)
            is_read = True
            if dtls._data_receiver:  # else the peer was faster; it will say it again
                run_without_suspending(dtls._data_receiver._handle_data(plain))
    except SSL.WantReadError:
        if not is_read:  # a late part of the handshake, which may need an answer
            run_without_suspending(dtls._write_ssl())
    except Exception as error:
        logger.info("data channels end: %r", error)
        ice.wake(ice.connection_below(dtls))


def task(dtls: RTCDtlsTransport) -> asyncio.Future | None:
    """The one that reads."""
    return dtls._task
