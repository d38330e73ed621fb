"""Holes in aiortc 1.16 and aioice 0.13, closed from outside until upstream does: what peers and strangers can reach,
and tasks that nobody awaits."""
import contextlib
from struct import error as StructError
from struct import unpack_from

from aioice.ice import CandidatePair, StunProtocol
from aiortc import InvalidStateError, RTCDtlsTransport, RTCPeerConnection, rtcsctptransport
from OpenSSL import SSL

_decode_params = rtcsctptransport.decode_params
_send_data = RTCDtlsTransport._send_data
_connect = RTCPeerConnection._RTCPeerConnection__connect
_datagram_received = StunProtocol.datagram_received


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


def datagram_received(self: StunProtocol, data: bytes, address: tuple) -> None:
    """aioice's own, but what is no STUN (first byte above 3, RFC 7983) counts only from a peer that answered a check.

    Else one forged ClientHello, from anybody who guesses the port, ends the DTLS handshake of a session; as would a
    datagram of nothing.
    """
    if data[:1] > b"\3":
        if _is_peer(self, address[:2]):
            self.receiver.data_received(data, self.local_candidate.component)
        return
    with contextlib.suppress(StructError):  # a STUN message cut short
        if data:
            _datagram_received(self, data, address)


def _is_peer(protocol: StunProtocol, address: tuple[str, int]) -> bool:
    connection = protocol.receiver
    for pair in connection._nominated.values():  # each datagram of video passes here: no more than it needs
        if pair.protocol is protocol and pair.remote_addr == address:
            return True
    checked = (pair for pair in connection._check_list if pair.state == CandidatePair.State.SUCCEEDED)
    return any(pair.protocol is protocol and pair.remote_addr == address for pair in checked)


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


def install() -> None:
    rtcsctptransport.decode_params = decode_params
    StunProtocol.datagram_received = datagram_received
    RTCDtlsTransport._send_data = send_data
    RTCPeerConnection._RTCPeerConnection__connect = connect
