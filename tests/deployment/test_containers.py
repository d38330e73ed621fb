"""The images of compose.yaml are built, and its services are run as real containers, with all that confines them.

This takes minutes and 20 GB of the disk, and needs root on Linux with `buildah podman runc debootstrap`:

    MVS_IMAGES=on uv run --with podman-compose pytest tests/deployment/test_containers.py
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from support.pictures.clips import make_clip
from support.services.containers import Compose, missing_tools, size_mb
from workers.process.redis_server import free_port

pytestmark = [
    pytest.mark.skipif(os.environ.get("MVS_IMAGES") != "on", reason="it takes minutes: MVS_IMAGES=on runs it"),
    pytest.mark.timeout(3600),
]
SERVICES = ("redis", "cloud-redis", "gateway", "edge", "trainer", "aggregator")
ROLES = ("gateway", "edge", "trainer", "aggregator")
READY_S = 120
#: What a process in a container says of itself, and whether it can write beside its own folders.
CONFINED = """
import os, pathlib

def writes(folder):
    try:
        pathlib.Path(folder, "probe").touch()
    except OSError:
        return False
    return True

lines = pathlib.Path("/proc/self/status").read_text().splitlines()
status = dict(line.split(":", 1) for line in lines)
written = filter(writes, ["/", "/app", "/venv", "/tmp"])
print(os.getuid(), int(status["CapBnd"], 16), int(status["NoNewPrivs"]), *written)
"""


@pytest.fixture(scope="module")
def compose(tmp_path_factory) -> Iterator[Compose]:
    if missing := missing_tools():
        pytest.fail(f"It needs {', '.join(missing)}.")
    folder, port = tmp_path_factory.mktemp("images"), free_port()
    compose = Compose("mvs-test", folder, {"MVS_PORT": str(port), "MVS_SNAPSHOT_KEY": "k" * 32})
    compose.build(folder)
    compose.url = f"http://127.0.0.1:{port}"
    compose.up(*SERVICES)
    yield compose
    compose.down()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def wait_ready(compose: Compose) -> None:
    deadline_s = time.monotonic() + READY_S
    while status(f"{compose.url}/readyz") != 200:
        assert time.monotonic() < deadline_s, compose.podman("logs", compose.container("edge"))
        time.sleep(0.5)


def test_a_client_gets_looks_from_the_containers(compose, tmp_path):
    wait_ready(compose)
    make_clip(tmp_path / "in.mp4", frames=100, size=(320, 240))

    command = [sys.executable, "-m", "workers", "client", compose.url, "--style", "dusk"]
    command += ["--input", str(tmp_path / "in.mp4"), "--output", str(tmp_path / "out.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["key_frames"] > 0


@pytest.mark.parametrize("service", SERVICES)
def test_each_container_is_healthy_by_its_own_check(compose, service):
    wait_ready(compose)

    compose.podman("healthcheck", "run", compose.container(service))


@pytest.mark.parametrize("service", ROLES)
def test_a_role_is_nobody_and_writes_nothing_but_its_own_folders(compose, service):
    told = compose.podman("exec", compose.container(service), "python", "-c", CONFINED)

    assert told.strip() == "10001 0 1 /tmp"


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_the_memory_that_compose_gives_it(compose, service):
    (found,) = json.loads(compose.podman("inspect", compose.container(service)))

    assert found["HostConfig"]["Memory"] == int(compose.services[service]["mem_limit"].removesuffix("g")) << 30


def test_only_the_gateway_is_on_the_network(compose):
    for service in {*SERVICES} - {"gateway"}:
        (found,) = json.loads(compose.podman("inspect", compose.container(service)))
        assert found["HostConfig"]["NetworkMode"] == "none"


def test_the_gateways_image_has_no_torch(compose):
    assert size_mb("localhost/mvstylizer-gateway") < 1000
