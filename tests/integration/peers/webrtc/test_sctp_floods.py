"""A peer that floods a gateway with packets, beside one that does not."""

import asyncio

import pytest
from aiortc.rtcsctptransport import (
    DataChunk,
    HeartbeatChunk,
    serialize_packet,
)

from support.webrtc.peers import Client, FlatEdge, until
from support.webrtc.sctp_chunks import FIRST, FIRST_PART, UNORDERED, data, sack

pytestmark = pytest.mark.patched_only("the limits of SCTP")


ATTACKS = {
    "chunks of one byte": lambda n: [data(60 * n + part, stream=0) for part in range(60)],
    "parts of nothing": lambda n: [data(n, FIRST_PART | UNORDERED, size=1000)],
    "heartbeats": lambda n: [HeartbeatChunk()],
    "acknowledgements": lambda n: [sack(0, (2, 65535))],
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_session_that_floods_ends_and_the_other_one_goes_on(redis_url, running, attack):
    edge = FlatEdge(redis_url)
    try:
        innocent, hostile = Client(running.url), Client(running.url)
        await innocent.open()
        await hostile.open()
        await until(lambda: innocent.grids and hostile.grids)
        sctp = hostile.connection._peer.sctp
        answered = len(innocent.grids)
        for number in range(3000):
            if hostile.connection.lost.is_set():
                break
            chunks = ATTACKS[attack](number)
            for chunk in chunks:
                if isinstance(chunk, DataChunk):
                    chunk.tsn = (chunk.tsn - FIRST + sctp._local_tsn) % 2**32
            packet = serialize_packet(5000, 5000, sctp._remote_verification_tag, b"".join(map(bytes, chunks)))
            await sctp.transport._send_data(packet)
            await asyncio.sleep(0)
        await until(lambda: running.count("mvs_sessions") == 1)

        await until(lambda: len(innocent.grids) >= answered + 2)
        assert running.count("mvs_sessions_cut_total", reason="flood") == 1
        await hostile.close()
        await innocent.close()
    finally:
        edge.close()
