"""Ends a peer connection for good, whatever its peer did to it: aiortc 1.16's own close may raise half-way, or hang.

An offer whose sections do not share one transport leaves objects without theirs; a task that died is waited for.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from aioice.ice import Connection
from aiortc import RTCIceTransport, RTCPeerConnection

from pipeline.webrtc.internals import ice, rtp, sctp, seams
from pipeline.webrtc.internals import peer as internals

logger = logging.getLogger(__name__)

#: aiortc's own close takes milliseconds, and a round trip where a TURN server is to be told.
PATIENCE_S = 3.0
#: What is left then is asked once more, one by one.
FORCED_S = 1.0


async def close(peer: RTCPeerConnection) -> None:
    """Its sockets, tasks and timers are gone after PATIENCE_S and twice FORCED_S at most. Raises nothing.

    With an aiortc that the fence does not fit, no more is done than to ask aiortc.
    """
    transports = internals.ice_transports(peer) if seams.fits() else []
    try:
        async with asyncio.timeout(PATIENCE_S):
            await peer.close()
    except Exception as error:  # what a hostile offer leads to is no aiortc error
        logger.info("a connection is ended by force (%s)", type(error).__name__)
        if seams.fits():
            await _force(peer, transports)
    ice.abort_sockets(map(ice.connection_of, transports))


async def _force(peer: RTCPeerConnection, transports: Iterable[RTCIceTransport]) -> None:
    """What aiortc's close does, each part on its own: the trouble of one is none of the others'."""
    with contextlib.suppress(Exception):
        for transceiver in peer.getTransceivers():
            rtp.disconnect(transceiver.receiver)  # gives the decoder back
    if peer.sctp is not None:
        with contextlib.suppress(Exception):
            sctp.close(peer.sctp)
    async with asyncio.TaskGroup() as group:
        for transport in transports:
            group.create_task(_end_ice(ice.connection_of(transport)))
    await end_tasks(internals.tasks(peer, transports), FORCED_S)
    internals.mark_closed(peer)


async def _end_ice(connection: Connection) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(FORCED_S):
            await connection.close()
    ice.wake(connection)


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
