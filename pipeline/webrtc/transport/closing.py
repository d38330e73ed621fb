"""Closes a peer connection completely, whatever its peer did to it; aiortc 1.16's own close may raise or hang.

It raises after an offer whose sections do not share one transport, and it waits for ever for a task that died.
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

#: aiortc's own close takes milliseconds, plus a round trip if a TURN server has to be told.
PATIENCE_S = 3.0
#: After that, each part that is left has this much time to close.
FORCED_S = 1.0


async def close(peer: RTCPeerConnection) -> None:
    """Close a connection with its sockets, tasks and timers, within PATIENCE_S and twice FORCED_S. Raises nothing.

    With a version of aiortc that webrtc.internals does not fit, only aiortc's own close is called.
    """
    transports = internals.ice_transports(peer) if seams.fits() else []
    try:
        async with asyncio.timeout(PATIENCE_S):
            await peer.close()
    except Exception as error:  # hostile offers lead to errors of any type
        logger.info("a connection is ended by force (%s)", type(error).__name__)
        if seams.fits():
            await _force(peer, transports)
    ice.abort_sockets(map(ice.connection_of, transports))


async def _force(peer: RTCPeerConnection, transports: Iterable[RTCIceTransport]) -> None:
    """Do what aiortc's close does, but part by part, so that an error in one part does not affect the others."""
    with contextlib.suppress(Exception):
        for transceiver in peer.getTransceivers():
            rtp.disconnect(transceiver.receiver)
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
    """Cancel the tasks that still run, and wait at most `timeout_s` for them. Their results and errors are ignored."""
    running = {task for task in tasks if task is not None and not task.done()}
    for task in running:
        task.cancel()
        task.add_done_callback(_retrieve)
    if running:
        await asyncio.wait(running, timeout=timeout_s)


def _retrieve(task: asyncio.Future) -> None:
    if not task.cancelled():
        task.exception()
