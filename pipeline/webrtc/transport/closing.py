"""Ends a peer connection for good, whatever its peer did to it: aiortc 1.16's own close may raise half-way, or hang.

An offer whose sections do not share one transport leaves objects without theirs; a task that died is waited for.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator

from aioice.ice import Connection, StunProtocol
from aiortc import RTCIceTransport, RTCPeerConnection, RTCSctpTransport

logger = logging.getLogger(__name__)

#: aiortc's own close takes milliseconds, and a round trip where a TURN server is to be told.
PATIENCE_S = 3.0
#: What is left then is asked once more, one by one.
FORCED_S = 1.0


async def close(peer: RTCPeerConnection) -> None:
    """Its sockets, tasks and timers are gone after PATIENCE_S and twice FORCED_S at most. Raises nothing."""
    transports = _transports(peer)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await peer.close()
    except Exception as error:  # what a hostile offer leads to is no aiortc error
        logger.info("a connection is ended by force (%s)", type(error).__name__)
        await _force(peer, transports)
    _abort_sockets({transport._connection for transport in transports})


def _transports(peer: RTCPeerConnection) -> list[RTCIceTransport]:
    return list(peer._RTCPeerConnection__iceTransports)


async def _force(peer: RTCPeerConnection, transports: Iterable[RTCIceTransport]) -> None:
    """What aiortc's close does, each part on its own: the trouble of one is none of the others'."""
    with contextlib.suppress(Exception):
        for transceiver in peer.getTransceivers():
            transceiver.receiver._handle_disconnect()  # gives the decoder back
    if peer.sctp is not None:
        with contextlib.suppress(Exception):
            peer.sctp._set_state(RTCSctpTransport.State.CLOSED)
    async with asyncio.TaskGroup() as group:
        for transport in transports:
            group.create_task(_end_ice(transport._connection))
    await end_tasks(_tasks(peer, transports), FORCED_S)
    closed = peer._RTCPeerConnection__isClosed
    if closed is not None and not closed.done():
        closed.set_result(True)  # whoever else waits for the end
    peer.remove_all_listeners()


async def _end_ice(connection: Connection) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(FORCED_S):
            await connection.close()
    connection._queue.put_nowait(None)  # whoever still waits for a datagram


def _tasks(peer: RTCPeerConnection, transports: Iterable[RTCIceTransport]) -> Iterator[asyncio.Future | None]:
    for dtls in peer._RTCPeerConnection__dtlsTransports:
        yield dtls._task
    for transceiver in peer.getTransceivers():
        yield transceiver.receiver._RTCRtpReceiver__rtcp_task
        yield transceiver.sender._RTCRtpSender__rtcp_task
        yield transceiver.sender._RTCRtpSender__rtp_task
    for transport in transports:
        yield transport._RTCIceTransport__monitor_task
        yield transport._connection._query_consent_task
        yield from (pair.task for pair in transport._connection._check_list)
    yield peer._RTCPeerConnection__closeTask


async def end_tasks(tasks: Iterable[asyncio.Future | None], timeout_s: float) -> None:
    """Cancel all that still run, and wait for them, but not for ever. How each ended is nobody's concern any more."""
    running = {task for task in tasks if task is not None and not task.done()}
    for task in running:
        task.cancel()
        task.add_done_callback(_retrieve)
    if running:
        await asyncio.wait(running, timeout=timeout_s)


def _retrieve(task: asyncio.Future) -> None:
    if not task.cancelled():
        task.exception()


def _abort_sockets(connections: set[Connection]) -> None:
    """Also those that aioice has not noted yet: where gathering is cancelled, it forgets the ones it has made."""
    loop = asyncio.get_running_loop()
    for transport in list(getattr(loop, "_transports", {}).values()):
        protocol = transport.get_protocol()
        if isinstance(protocol, StunProtocol) and protocol.receiver in connections:
            transport.abort()
