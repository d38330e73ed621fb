"""Several gateways behind one address, as compose starts them."""

import shutil

import numpy as np
import pytest

from pipeline.contract.errors import Busy
from pipeline.contract.image_codec import encode_jpeg
from support.services.balancer import balancer
from support.webrtc.peers import Client, Running, until


def port_of(gateway: Running) -> int:
    return int(gateway.url.rpartition(":")[2])


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is missing")
async def test_two_gateways_behind_one_address_are_one(redis_url, edge, tmp_path):
    style = tmp_path / "style.jpg"
    style.write_bytes(encode_jpeg(np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)))
    async with (
        Running(redis_url, tmp_path, max_sessions=1) as first,
        Running(redis_url, tmp_path, max_sessions=2) as second,
        balancer(tmp_path, port_of(first), port_of(second)) as url,
    ):
        one, other, third, fourth = clients = [Client(url) for _ in range(4)]
        await one.open(str(style))  # with a style that was uploaded to one gateway, and is known to both of them
        await other.open()
        await third.open()  # asks the first gateway, which is full and passes the offer on
        with pytest.raises(Busy) as refusal:
            await fourth.open()
        await until(lambda: one.headers and other.headers and third.headers)

        assert [gateway.count("mvs_sessions") for gateway in (first, second)] == [1, 2]
        assert refusal.value.retry_after_s > 0
        for path in ("/metrics", "/status", "/status.json"):  # it is about one gateway, and not for strangers
            async with first.http.get(url + path) as response:
                assert response.status == 404
        for client in clients:
            await client.close()


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is missing")
async def test_clients_are_spread_evenly_while_every_gateway_has_places(redis_url, tmp_path):
    """Each client also asks for the configuration, which must not take another gateway's turn."""
    async with (
        Running(redis_url, tmp_path) as first,
        Running(redis_url, tmp_path) as second,
        balancer(tmp_path, port_of(first), port_of(second)) as url,
    ):
        clients = [Client(url) for _ in range(4)]
        for client in clients:
            await client.open()

        assert [gateway.count("mvs_sessions") for gateway in (first, second)] == [2, 2]
        for client in clients:
            await client.close()
