"""What of a real connection takes the fast path."""

import pytest
from aiortc.rtp import is_rtcp

from pipeline.webrtc.media import fast_receive
from pipeline.webrtc.transport import ice_limits
from support.webrtc.peers import Client, Running, until

pytestmark = pytest.mark.patched_only("the fast path")


async def test_video_and_data_channels_take_the_fast_path_and_rtcp_does_not(redis_url, tmp_path, edge, monkeypatch):
    queued, short = [], []
    take, otherwise = fast_receive.FastReceivePath._take, ice_limits.GuardedConnection.data_received
    monkeypatch.setattr(fast_receive.FastReceivePath, "_take", lambda *args: short.append(args[1]) or take(*args))

    def keep(*args):
        queued.append(args[1])
        otherwise(*args)

    monkeypatch.setattr(ice_limits.GuardedConnection, "data_received", keep)
    async with Running(redis_url, tmp_path) as running:
        client = Client(running.url)
        await client.open()
        await until(lambda: len(client.grids) >= 3)
        queued.clear()  # what came before the connection was made, and all that the client was sent
        await until(lambda: len(client.grids) >= 5 and len(short) > 30)
        await client.close()

    assert queued and all(is_rtcp(data) for data in queued)
    assert abs(client.colours() - (200, 40, 90)).max() < 12
