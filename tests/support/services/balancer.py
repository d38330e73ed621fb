"""A real nginx before two gateways, with the configuration that compose uses."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from support.paths import ROOT
from support.services.nginx import nginx
from workers.process.redis_server import free_port

NGINX = ROOT / "pipeline" / "gateway" / "nginx.conf.template"


@contextlib.asynccontextmanager
async def balancer(folder: Path, first: int, second: int) -> AsyncIterator[str]:
    """The address of an nginx before the gateways at these ports."""
    text, ports = NGINX.read_text(), {"FIRST_PORT": first, "SECOND_PORT": second, "PUBLIC_PORT": free_port()}
    for name, port in ports.items():
        text = text.replace(f"${{{name}}}", str(port))
    async with nginx(folder, ports["PUBLIC_PORT"], text) as url:
        yield url
