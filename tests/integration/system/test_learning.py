"""The whole circle with real parts: shared key frames, a trainer, a round, and workers that use the new model."""

import os

import numpy as np
import pytest

from clients.net.connection import Connection
from edge.grid_model.weights import SHIPPED, load
from pipeline.contract.control import GatewayMessage, SharingChanged, SharingChoice
from pipeline.styles.catalog import shipped
from support.system.up import Up
from support.webrtc.peers import ColourCamera, until

PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def learning(tmp_path_factory):
    quick = {"MVS_TRAIN_IMAGES": "4", "MVS_ROUND_DEADLINE_S": "1"}
    system = Up(tmp_path_factory.mktemp("up"), environment={**os.environ, **quick})
    try:
        system.wait_ready()
        yield system
    finally:
        system.stop()


class Viewer:
    """A client that remembers which models answered it, and what was dropped."""

    def __init__(self, url: str) -> None:
        self.models: list[str] = []
        self.heard: list[GatewayMessage] = []
        self.camera = ColourCamera((0, 0, 0), (320, 240))
        self.camera._picture = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
        self.connection = Connection(url, on_grid=self._on_grid, on_control=self.heard.append)

    def _on_grid(self, header: dict, grid: np.ndarray) -> None:
        self.models.append(header["model_version"])

    async def open(self) -> None:
        await self.connection.open(self.camera, size=self.camera.size, style=shipped()[0].id)
        await until(lambda: self.models and self.connection.control.readyState == "open", PATIENCE_S)

    def share(self, on: bool) -> None:
        assert self.connection.send(SharingChoice(on))

    async def close(self) -> None:
        self.camera.stop()
        await self.connection.close()


@pytest.mark.timeout(4 * PATIENCE_S)
async def test_shared_key_frames_become_a_model_that_answers_and_outlives_its_worker(learning):
    viewer, first = Viewer(learning.url), load(SHIPPED)[1]
    await viewer.open()
    assert set(viewer.models) == {first}

    viewer.share(True)
    await until(lambda: viewer.models[-1] != first, PATIENCE_S)
    viewer.share(False)
    await until(lambda: SharingChanged(False) in viewer.heard, PATIENCE_S)

    learning.worker().kill()
    answered = len(viewer.models)
    await until(lambda: len(viewer.models) >= answered + 3, PATIENCE_S)
    assert first not in viewer.models[answered + 1 :]
    await viewer.close()
