"""Roles of the previous release and of this one share a Redis while a system is upgraded, in either order."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from pipeline.contract.redis_keys import worker_beacon
from pipeline.queues.broker import connect
from support.paths import ROOT
from support.services.nginx import listens
from support.system.roles import role
from support.webrtc.peers import Client, until
from workers.process.redis_server import free_port

#: Stands for the previous release until there is one: the last commit before gateways could be drained.
PREVIOUS = "2c590c7"


@pytest.fixture(scope="module")
def previous(tmp_path_factory) -> Path:
    """A folder with the previous release."""
    archive = subprocess.run(["git", "archive", PREVIOUS], cwd=ROOT, capture_output=True)
    if archive.returncode:
        pytest.skip(f"this copy of the repository has no commit {PREVIOUS}")
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("newer", ["gateway", "worker"])
async def test_a_client_gets_looks_from_a_gateway_and_a_worker_of_two_releases(newer, previous, redis_url):
    release = {"gateway": previous, "worker": previous, newer: ROOT}
    port, settings = free_port(), {"redis_url": redis_url, "key_frame_interval_s": "0.5"}
    client = Client(f"http://127.0.0.1:{port}")
    with (
        connect(redis_url) as connection,
        role("stylize", release=release["worker"], **settings),
        role("gateway", "--port", str(port), release=release["gateway"], **settings),
    ):
        await until(lambda: listens(port) and connection.exists(worker_beacon("edge")) == 1, timeout_s=60)

        await client.open()
        await until(lambda: len(client.grids) >= 3)

        await client.close()
