"""One gateway is replaced behind a balancer, as in a rolling upgrade, while clients are connected to it."""

import asyncio
import shutil
import signal

import pytest

from clients.net.connection import Connection
from clients.net.reconnecting import ReconnectingClient
from pipeline.styles.catalog import shipped
from support.services.balancer import balancer
from support.services.nginx import listens
from support.system.roles import role
from support.webrtc.peers import ColourCamera, until
from workers.process.redis_server import free_port

pytestmark = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is missing")


async def test_clients_of_a_gateway_that_gets_sigterm_go_on_at_the_other_one(redis_url, edge, tmp_path):
    first, second = free_port(), free_port()
    settings = {"redis_url": redis_url, "key_frame_interval_s": "0.2", "drain_s": "60", "offers_per_s": "10"}
    grids: list[object] = []

    def connect() -> Connection:
        return Connection(url, on_grid=lambda _, grid: grids.append(grid), on_control=lambda _: None)

    with (
        role("gateway", "--port", str(first), **settings) as old,
        role("gateway", "--port", str(second), **settings) as new,
    ):
        await until(lambda: listens(first) and listens(second), timeout_s=30)
        async with balancer(tmp_path, first, second) as url:
            cameras = [ColourCamera((200, 40, 90), (320, 240)) for _ in range(4)]
            clients = [
                ReconnectingClient(connect, camera, size=camera.size, style=shipped()[0].id) for camera in cameras
            ]
            for client in clients:
                await client.open()
            await until(lambda: len(grids) >= 4)

            old.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(old.wait, 30)  # sooner than it has to: all clients have moved

            assert code == 0
            seen = len(grids)
            await until(lambda: len(grids) >= seen + 8)
            assert new.poll() is None
            await asyncio.gather(*(client.close() for client in clients))
