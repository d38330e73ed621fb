"""The headless client and a gateway that wants few of its frames, on a real connection."""

import asyncio

import pytest

from clients.feeds.inputs import find_input
from clients.feeds.outputs import find_target
from clients.headless import cli
from clients.headless.camera import ClipCamera
from pipeline.contract.control import FrameRequest, Pace, SceneCut
from pipeline.styles.catalog import shipped
from support.pictures.clips import frames_of, make_clip
from support.webrtc.peers import Running, heard_by_gateways, paced_by_the_test, until


@pytest.fixture
def cameras(monkeypatch) -> list[ClipCamera]:
    made = []
    monkeypatch.setattr(cli, "ClipCamera", lambda *args, **more: made.append(ClipCamera(*args, **more)) or made[-1])
    return made


async def test_the_client_sends_what_the_gateway_wants_and_shows_everything(
    redis_url, tmp_path, edge, cameras, monkeypatch
):
    say, heard = paced_by_the_test(monkeypatch), heard_by_gateways(monkeypatch)
    place = find_input(make_clip(tmp_path / "in.mp4", frames=150, size=(320, 176), cut_at=110))
    target = find_target(tmp_path / "out.mp4")
    async with Running(redis_url, tmp_path) as running:
        client = asyncio.create_task(cli.stream(running.url, place, shipped()[0].id, target))
        await until(lambda: edge.seen and cameras[0].sent >= 5)

        say(running, Pace(2))
        await until(lambda: cameras[0].sent < cameras[0]._count - 6)
        sent = cameras[0].sent
        say(running, FrameRequest())
        await until(lambda: cameras[0].sent == sent + 1)
        summary = await client

    assert summary.frames == summary.written_frames == len(frames_of(tmp_path / "out.mp4")) == 150
    assert summary.sent_frames < 90  # of six seconds: all of the first ones, and two a second of the others
    assert SceneCut(110) in heard and edge.seen[-1].frame_id >= 110
