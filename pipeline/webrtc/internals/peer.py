"""Public names for the private parts of aiortc's peer connection."""

import asyncio
from collections.abc import Iterable, Iterator

from aiortc import InvalidStateError, RTCDtlsTransport, RTCIceTransport, RTCPeerConnection

from pipeline.webrtc.internals import dtls, ice, rtp

#: The attributes that this file needs of each class.
NEEDS: dict[type, tuple[str, ...]] = {
    RTCPeerConnection: (
        "_RTCPeerConnection__closeTask",
        "_RTCPeerConnection__connect",
        "_RTCPeerConnection__dtlsTransports",
        "_RTCPeerConnection__iceTransports",
        "_RTCPeerConnection__isClosed",
    ),
}
#: The coroutine that connects a peer connection. aiortc runs it in a task that nobody awaits.
CONNECT = "_RTCPeerConnection__connect"


def ice_transports(peer: RTCPeerConnection) -> list[RTCIceTransport]:
    return list(getattr(peer, "_RTCPeerConnection__iceTransports"))


def dtls_transports(peer: RTCPeerConnection) -> list[RTCDtlsTransport]:
    return list(getattr(peer, "_RTCPeerConnection__dtlsTransports"))


def tasks(peer: RTCPeerConnection, transports: Iterable[RTCIceTransport]) -> Iterator[asyncio.Future | None]:
    """Yield the tasks that a peer connection and its parts have started; None stands for one that was never started."""
    for dtls_transport in dtls_transports(peer):
        yield dtls.task(dtls_transport)
    for transceiver in peer.getTransceivers():
        yield rtp.receiver_task(transceiver.receiver)
        yield from rtp.sender_tasks(transceiver.sender)
    for transport in transports:
        yield from ice.tasks(transport)
    yield getattr(peer, "_RTCPeerConnection__closeTask")


def mark_closed(peer: RTCPeerConnection) -> None:
    """Wake those who wait for the connection to close, and remove all listeners."""
    closed = getattr(peer, "_RTCPeerConnection__isClosed")
    if closed is not None and not closed.done():
        closed.set_result(True)
    peer.remove_all_listeners()


_connect = getattr(RTCPeerConnection, CONNECT, None)


async def connect(self: RTCPeerConnection) -> None:
    """Replace aiortc's method: raise no error if the connection is closed while it connects."""
    assert _connect is not None
    try:
        await _connect(self)
    except InvalidStateError:
        if self.signalingState != "closed":
            raise
