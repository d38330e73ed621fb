"""A gateway that is short of processor asks for fewer frames, and decodes no more than it needs of those it gets."""

import time
from pathlib import Path

import pytest

from clients.load.recording import record
from clients.load.replay import Replay
from clients.net.connection import Connection
from pipeline.capacity.giving_way import RATES
from pipeline.contract.control import Pace
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.monitor import counted
from pipeline.styles.catalog import shipped
from support.webrtc.peers import FlatEdge, Running, until


class Sender:
    """Sends a recording and counts its frames; it keeps the pace or, as older clients do, does not know of it."""

    def __init__(self, url: str, *, keeps_pace: bool) -> None:
        self.heard: list[Pace] = []
        self.looks = self.sent = 0
        self._keeps_pace = keeps_pace
        self._replay = Replay(record(None, (320, 180)), self._on_frame)
        self._connection = Connection(url, on_grid=self._on_grid, on_control=self._hear)

    async def open(self) -> None:
        await self._connection.open(self._replay, size=(320, 180), style=shipped()[0].id)
        self._replay.play(self._connection.video)

    async def close(self) -> None:
        self._replay.stop()
        await self._connection.close()

    def _on_frame(self, frame_id: int, due_s: float) -> None:
        self.sent += self._replay.sent_bytes > 0

    def _on_grid(self, header: dict, grid: object) -> None:
        self.looks += 1

    def _hear(self, message: object) -> None:
        if isinstance(message, Pace):
            self.heard.append(message)
            if self._keeps_pace:
                self._replay.keep_pace(message.fps)


async def slowed(redis_url: str, folder: Path, metrics: GatewayMetrics, *, keeps_pace: bool) -> list[float]:
    """Frames a second that are sent, decoded, and left out since nobody needs them, while looks go on."""

    def counts() -> list[float]:
        unneeded = counted(metrics.frames_dropped.labels("unneeded"))
        return [sender.sent, running.count("mvs_frames_received_total"), unneeded, time.monotonic()]

    async with Running(redis_url, folder, cpu_budget=0.001) as running:
        edge, sender = FlatEdge(redis_url), Sender(running.url, keeps_pace=keeps_pace)
        await sender.open()
        await until(lambda: sender.heard and sender.heard[-1].fps == RATES[-1])
        before, looks = counts(), sender.looks
        await until(lambda: sender.looks >= looks + 4)
        *frames, seconds = (after - then for after, then in zip(counts(), before, strict=True))
        await sender.close()
        edge.close()
    return [number / seconds for number in frames]


async def test_a_client_that_keeps_the_pace_sends_few_frames(redis_url, tmp_path, webrtc):
    sent, decoded, unneeded = await slowed(redis_url, tmp_path, webrtc, keeps_pace=True)

    assert sent < 12 and decoded < 12 and unneeded < 3


@pytest.mark.patched_only("frames that nobody needs are left out")
async def test_few_frames_are_decoded_of_a_client_that_knows_no_pace(redis_url, tmp_path, webrtc):
    _, decoded, unneeded = await slowed(redis_url, tmp_path, webrtc, keeps_pace=False)

    assert decoded < 12 and unneeded > 10
