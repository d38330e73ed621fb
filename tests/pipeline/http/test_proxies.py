"""The proxies that stand before gateways: what they ask, and what they open to strangers."""

import re
import shutil

import pytest
import yaml

from support.paths import ROOT
from support.services.balancer import NGINX
from support.services.nginx import nginx
from support.webrtc.peers import Running
from workers.process.redis_server import free_port


def test_the_balancer_asks_the_gateways_where_they_listen():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    balancer, ports = services["balancer"], services["balancer"]["environment"]
    first, second = (services[name]["environment"] for name in ("gateway", "gateway-2"))

    asked = re.findall(r"server 127\.0\.0\.1:\$\{(\w+)\} max_fails=0;", NGINX.read_text())

    assert [ports[name] for name in asked] == [first["MVS_PORT"], second["MVS_PORT"]] * 2
    assert second["MVS_REDIS_URL"] == first["MVS_REDIS_URL"]
    mounted = "./pipeline/gateway/nginx.conf.template:/etc/nginx/templates/default.conf.template:ro"
    assert balancer["volumes"] == [mounted]
    assert set(re.findall(r"\$\{(\w+)\}", NGINX.read_text())) == set(ports)


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
