"""The proxies that stand before gateways: what they ask, and what they open to strangers."""

import re
import shutil

import pytest
import yaml

from support.nginx import nginx
from support.paths import ROOT
from support.peers import Running
from workers.process.redis_server import free_port

NGINX = ROOT / "pipeline" / "gateway" / "nginx.conf"


def test_the_balancer_asks_the_gateways_where_they_listen():
    text, nginx = (ROOT / "compose.yaml").read_text(), NGINX.read_text()
    services = yaml.safe_load(text)["services"]
    first = re.search(r"MVS_PORT=(\d+) docker compose --profile balanced", text)[1]
    second = services["gateway-2"]["environment"]

    asked = re.findall(r"server 127\.0\.0\.1:(\d+) max_fails=0;", nginx)

    assert asked == [first, str(second["MVS_PORT"])] * 2
    assert second["MVS_REDIS_URL"] == services["gateway"]["environment"]["MVS_REDIS_URL"]
    assert services["balancer"]["volumes"] == ["./pipeline/gateway/nginx.conf:/etc/nginx/conf.d/default.conf:ro"]


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
