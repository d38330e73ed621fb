"""Holes in aiortc 1.16 and aioice 0.13, closed from outside until upstream does: what peers and strangers can reach,
and tasks that nobody awaits."""

from struct import unpack_from

from aiortc import InvalidStateError, RTCCertificate, RTCDtlsTransport, RTCPeerConnection, rtcsctptransport
from OpenSSL import SSL
from prometheus_client import Counter

from pipeline.webrtc.transport import ice_limits, sctp_limits

_decode_params = rtcsctptransport.decode_params
_send_data = RTCDtlsTransport._send_data
_connect = RTCPeerConnection._RTCPeerConnection__connect
_create_ssl_context = RTCCertificate._create_ssl_context


def decode_params(body: bytes) -> list[tuple[int, bytes]]:
    """aiortc's own, but a parameter shorter than its header, or longer than the rest, is an error.

    aiortc advances by the stated length: a zero would loop for ever and take all memory with it.
    """
    position = 0
    while position <= len(body) - 4:
        (length,) = unpack_from("!H", body, position + 2)
        if not 4 <= length <= len(body) - position:
            raise ValueError(f"SCTP parameter of length {length}")
        position += length + rtcsctptransport.padl(length)
    return _decode_params(body)


async def send_data(self: RTCDtlsTransport, data: bytes) -> None:
    """aiortc's own, but nothing once the end is said: a timer of SCTP may ring then, in a task that nobody awaits."""
    if self.state == "connected" and not self._ssl.get_shutdown() & SSL.SENT_SHUTDOWN:
        await _send_data(self, data)


async def connect(self: RTCPeerConnection) -> None:
    """aiortc's own, a task that nobody awaits, but ends in peace where the connection is closed meanwhile."""
    try:
        await _connect(self)
    except InvalidStateError:
        if self.signalingState != "closed":
            raise


def create_ssl_context(self: RTCCertificate, srtp_profiles: list) -> SSL.Context:
    """aiortc's own, but without new handshakes on an old connection, each of which costs a signature."""
    context = _create_ssl_context(self, srtp_profiles)
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    return context


def install(refused: Counter | None = None) -> None:
    """For all connections made from now on; what they refuse is counted in `refused`, by reason."""
    ice_limits.install(refused)
    sctp_limits.install(refused)
    rtcsctptransport.decode_params = decode_params
    RTCCertificate._create_ssl_context = create_ssl_context
    RTCDtlsTransport._send_data = send_data
    RTCPeerConnection._RTCPeerConnection__connect = connect
