"""Several gateways behind one address, as compose starts them."""

import asyncio
import contextlib
import re
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.contract.errors import Busy
from pipeline.contract.image_codec import encode_jpeg
from support.paths import ROOT
from support.peers import Client, Running, until
from workers.process.redis_server import free_port

NGINX = ROOT / "pipeline" / "gateway" / "nginx.conf"


def test_the_balancer_asks_the_gateways_where_they_listen():
    text, nginx = (ROOT / "compose.yaml").read_text(), NGINX.read_text()
    services = yaml.safe_load(text)["services"]
    first = re.search(r"MVS_PORT=(\d+) docker compose --profile balanced", text)[1]
    second = services["gateway-2"]["environment"]

    asked = re.findall(r"server 127\.0\.0\.1:(\d+) max_fails=0;", nginx)

    assert asked == [first, str(second["MVS_PORT"])]
    assert second["MVS_REDIS_URL"] == services["gateway"]["environment"]["MVS_REDIS_URL"]
    assert services["balancer"]["volumes"] == ["./pipeline/gateway/nginx.conf:/etc/nginx/conf.d/default.conf:ro"]


@contextlib.asynccontextmanager
async def balancer(folder: Path, gateways: list[Running]) -> AsyncIterator[str]:
    """The address of a real nginx with our configuration, but other ports."""
    port, text = free_port(), NGINX.read_text()
    asked = zip((8081, 8082, 8080), [*(gateway.url.rpartition(":")[2] for gateway in gateways), port])
    for published, free in asked:
        text = text.replace(f"127.0.0.1:{published}", f"127.0.0.1:{free}")
    async with nginx(folder, port, text) as url:
        yield url


@contextlib.asynccontextmanager
async def nginx(folder: Path, port: int, text: str) -> AsyncIterator[str]:
    """Run an nginx with the servers of `text`, of which one listens on `port`; gives its address."""
    places = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    http = f"access_log off; {places}\n{text}"
    conf = folder / "nginx.conf"
    conf.write_text(f"daemon off; master_process off; pid {folder}/pid; events {{}} http {{ {http} }}")
    process = await asyncio.create_subprocess_exec("nginx", "-e", str(folder / "log"), "-c", str(conf))
    try:
        await until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def listens(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is missing")
async def test_two_gateways_behind_one_address_are_one(redis_url, edge, tmp_path):
    style = tmp_path / "style.jpg"
    style.write_bytes(encode_jpeg(np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)))
    async with (
        Running(redis_url, tmp_path, max_sessions=1) as first,
        Running(redis_url, tmp_path, max_sessions=1) as second,
        balancer(tmp_path, [first, second]) as url,
    ):
        one, other, third = clients = [Client(url) for _ in range(3)]
        await one.open(str(style))  # asks the first gateway, with a style that was uploaded to the second one
        await other.open()  # asks the first one, too, which is full and passes the offer on
        with pytest.raises(Busy) as refusal:
            await third.open()
        await until(lambda: one.headers and other.headers)

        assert [gateway.count("mvs_sessions") for gateway in (first, second)] == [1, 1]
        assert refusal.value.retry_after_s > 0
        for path in ("/metrics", "/status", "/status.json"):  # it is about one gateway, and not for strangers
            async with first.http.get(url + path) as response:
                assert response.status == 404
        for client in clients:
            await client.close()


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is missing")
async def test_a_proxy_that_says_nothing_of_its_clients_opens_nothing_to_them(redis_url, web_root, tmp_path_factory):
    """By default nginx's requests come from loopback, by a loopback name, without X-Forwarded-For."""
    port = free_port()
    async with Running(redis_url, web_root, operator_open=False) as gateway:
        text = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {gateway.url}; }} }}"
        async with nginx(tmp_path_factory.mktemp("nginx"), port, text) as url:
            for path, status in (("/metrics", 401), ("/status", 401), ("/status.json", 401), ("/healthz", 200)):
                async with gateway.http.get(url + path) as response:
                    assert response.status == status
            page = {"Origin": "http://live.example", "Content-Type": "application/json"}
            async with gateway.http.post(f"{url}/offer", data=b"{}", headers=page) as response:
                assert response.status == 403
