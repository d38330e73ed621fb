"""Which frames of a file the camera yields, and what it says of them."""

from pathlib import Path

import av
import pytest
from aiortc.mediastreams import MediaStreamError

from clients.headless.camera import CameraFrame, ClipCamera
from clients.media.clip import Clip
from clients.net.frame_pacer import FramePacer
from pipeline.contract import frame_strip
from pipeline.contract.control import FrameRequest, Pace
from pipeline.key_frames.frames import planes
from support.pictures.clips import make_clip

SIZE = (320, 176)


class Played:
    """All that a camera showed, yielded and said, in order."""

    def __init__(self) -> None:
        self.shown: list[int] = []
        self.sent: list[av.VideoFrame] = []
        self.events: list[tuple[str, int]] = []

    async def play(self, clip: Clip, pacer: FramePacer, on_show=lambda frame: None) -> "Played":
        def show(frame: CameraFrame) -> None:
            self.shown.append(frame.frame_id)
            on_show(frame)

        camera = ClipCamera(clip, show, pacer=pacer, on_cut=lambda frame_id: self.events.append(("cut", frame_id)))
        with pytest.raises(MediaStreamError):
            while True:
                frame = await camera.recv()
                self.sent.append(frame)
                self.events.append(("sent", id_of(frame)))
        await camera.close()
        assert camera.error is None and camera.sent == len(self.sent)
        return self

    def ids(self) -> list[int]:
        return [id_of(frame) for frame in self.sent]


def id_of(frame: av.VideoFrame) -> int | None:
    return frame_strip.read(planes(frame)[0][-frame_strip.STRIP_ROWS :])


@pytest.fixture
def clip(tmp_path: Path):
    with Clip(make_clip(tmp_path / "in.mkv", frames=20, size=SIZE, cut_at=13)) as clip:
        yield clip


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch):
    async def at_once(seconds: float) -> None: ...

    monkeypatch.setattr("clients.headless.camera.asyncio.sleep", at_once)


async def test_without_a_pace_all_frames_are_sent_and_a_cut_is_said_before_its_frame(clip):
    played = await Played().play(clip, FramePacer())

    assert played.shown == played.ids() == [*range(20)]
    assert played.events.index(("cut", 13)) == played.events.index(("sent", 13)) - 1
    assert [name for name, _ in played.events].count("cut") == 1
    assert {frame.opaque for frame in played.sent} == {None}


async def test_at_a_lower_pace_all_frames_are_shown_and_few_are_sent(clip):
    """Of 25 frames a second: every twelfth or thirteenth, and the first three of a scene."""
    played = await Played().play(clip, FramePacer(fps=2))

    assert played.shown == [*range(20)] and played.ids() == [0, 12, 13, 14, 15]
    assert [frame.pts for frame in played.sent] == [3600 * frame_id for frame_id in played.ids()]
    assert {frame.opaque for frame in played.sent} == {290_000}


async def test_the_frame_after_a_request_is_sent(clip):
    pacer = FramePacer()
    pacer.obey(Pace(1))

    def ask(frame: CameraFrame) -> None:
        if frame.frame_id == 5:
            pacer.obey(FrameRequest())

    played = await Played().play(clip, pacer, ask)

    assert played.ids() == [0, 5, 13, 14, 15]


async def test_frames_that_are_left_out_are_not_prepared(clip, monkeypatch):
    prepared = []
    prepare = ClipCamera._prepared
    monkeypatch.setattr(ClipCamera, "_prepared", lambda *args: (prepared.append(args[2]), prepare(*args))[1])

    played = await Played().play(clip, FramePacer(fps=2))

    assert prepared == played.ids()
