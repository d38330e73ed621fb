"""aiortc's peer connection, under plain names."""

import asyncio
from collections.abc import Iterable, Iterator

from aiortc import InvalidStateError, RTCDtlsTransport, RTCIceTransport, RTCPeerConnection

from pipeline.webrtc.internals import dtls, ice, rtp

#: What each class must have for this file to work.
NEEDS: dict[type, tuple[str, ...]] = {
    RTCPeerConnection: (
        "_RTCPeerConnection__closeTask",
        "_RTCPeerConnection__connect",
        "_RTCPeerConnection__dtlsTransports",
        "_RTCPeerConnection__iceTransports",
        "_RTCPeerConnection__isClosed",
    ),
}
#: The coroutine in which a peer connection connects: a task that nobody awaits.
CONNECT = "_RTCPeerConnection__connect"


def ice_transports(peer: RTCPeerConnection) -> list[RTCIceTransport]:
    return list(getattr(peer, "_RTCPeerConnection__iceTransports"))


def dtls_transports(peer: RTCPeerConnection) -> list[RTCDtlsTransport]:
    return list(getattr(peer, "_RTCPeerConnection__dtlsTransports"))


def tasks(peer: RTCPeerConnection, transports: Iterable[RTCIceTransport]) -> Iterator[asyncio.Future | None]:
    """All that a peer connection and its parts have begun."""
    for dtls_transport in dtls_transports(peer):
        yield dtls.task(dtls_transport)
    for transceiver in peer.getTransceivers():
        yield rtp.receiver_task(transceiver.receiver)
        yield from rtp.sender_tasks(transceiver.sender)
    for transport in transports:
        yield from ice.tasks(transport)
    yield getattr(peer, "_RTCPeerConnection__closeTask")


def mark_closed(peer: RTCPeerConnection) -> None:
    """Whoever else waits for the end waits no longer, and nobody hears of it any more."""
    closed = getattr(peer, "_RTCPeerConnection__isClosed")
    if closed is not None and not closed.done():
        closed.set_result(True)
    peer.remove_all_listeners()


_connect = getattr(RTCPeerConnection, CONNECT, None)


async def connect(self: RTCPeerConnection) -> None:
    """aiortc's own, but ends in peace where the connection is closed meanwhile."""
    assert _connect is not None
    try:
        await _connect(self)
    except InvalidStateError:
        if self.signalingState != "closed":
            raise
