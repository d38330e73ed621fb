import os
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clients.feeds.containers import STREAMS
from clients.feeds.outputs import Target, find_target
from clients.headless import painter
from clients.headless.camera import CameraFrame
from clients.headless.painter import Painter
from clients.media.clip import Clip
from clients.reassembly.flow import Dis
from clients.reassembly.grid import IDENTITY
from pipeline.contract.errors import MVStylizerError
from support.pictures.clips import frames_of, make_clip, sound_packets, times_of

SIZE = (64, 48)
BRIGHTER = (IDENTITY + np.eye(4, dtype=np.float16)[3] * 0.2).astype(np.float16)
GREY = np.full((48, 64, 3), 100, np.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> Iterator[Clip]:
    with Clip(make_clip(tmp_path / "in.mp4", sound="aac")) as clip:
        yield clip


def frame(clip: Clip, frame_id: int, rgb: np.ndarray = GREY, ticks: int | None = None) -> CameraFrame:
    decoded = av.VideoFrame(64, 48, "yuv420p")
    decoded.time_base = clip.time_base
    decoded.pts = round(frame_id / 30 / clip.time_base) if ticks is None else ticks
    decoded.duration = round(Fraction(1, 30) / clip.time_base)
    return CameraFrame(frame_id, rgb, frame_id / 30, decoded)


def levels(path: Path) -> list[int]:
    return [round(float(picture.mean())) for picture in frames_of(path)]


def test_the_very_next_frame_uses_an_answer_and_a_cut_shows_it_in_full(tmp_path: Path, clip: Clip):
    work = Painter(find_target(tmp_path / "out.mp4"), clip, Dis())
    for frame_id in range(4):
        work.show(frame(clip, frame_id))
    work.announce(0)
    work.arrive(0, BRIGHTER, cut=True)
    work.show(frame(clip, 4))
    work.close()

    assert levels(tmp_path / "out.mp4") == pytest.approx([100, 100, 100, 100, 151], abs=2)
    assert (work.written, work.dropped) == (5, 0)


def test_a_late_answer_follows_the_motion_since_its_key_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = []
    real = painter.GridFade.step
    monkeypatch.setattr(painter.GridFade, "step", lambda fade, flow: shown.append(flow) or real(fade, flow))
    scene = np.random.default_rng(0).integers(0, 256, (12, 40, 3), np.uint8)
    scene = np.kron(scene, np.ones((8, 8, 1), np.uint8))
    with Clip(make_clip(tmp_path / "wide.mp4", size=(256, 96), frames=2)) as clip:
        work = Painter(find_target(tmp_path / "out.mp4"), clip, Dis())
        for frame_id in range(30):
            work.show(frame(clip, frame_id, scene[:, frame_id : frame_id + 256]))
            if frame_id == 0:
                work.announce(0)
            if frame_id == 20:
                work.arrive(0, BRIGHTER, cut=False)
        work.close()

    assert not np.any(shown[20])
    dx = np.median(shown[21][..., 0]) * 256
    assert dx == pytest.approx(21, abs=1)


def test_when_it_falls_behind_frames_are_dropped_and_counted(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(painter, "WAITING", 0)
    work = Painter(find_target(tmp_path / "out.mp4"), clip, Dis())
    for frame_id in range(3):
        work.show(frame(clip, frame_id))
    monkeypatch.setattr(painter, "WAITING", 64)
    work.show(frame(clip, 3))
    work.close()

    assert (work.written, work.dropped) == (1, 3)


def test_times_and_sound_are_the_clips_own(tmp_path: Path, clip: Clip):
    work = Painter(find_target(tmp_path / "out.mp4"), clip, Dis())
    for frame_id, decoded in enumerate(clip.frames(work.packet)):
        if frame_id not in (3, 4):  # a variable frame rate
            work.show(CameraFrame(frame_id, GREY, frame_id / 25, decoded))
    work.close()

    assert times_of(tmp_path / "out.mp4") == pytest.approx([index / 25 for index in range(12) if index not in (3, 4)])
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(tmp_path / "in.mp4")


def test_a_frame_of_another_size_is_painted_at_the_clips(tmp_path: Path, clip: Clip):
    work = Painter(find_target(tmp_path / "out.mp4"), clip, Dis())
    work.show(frame(clip, 0))
    work.show(frame(clip, 1, np.full((96, 100, 3), 100, np.uint8)))
    work.close()

    assert levels(tmp_path / "out.mp4") == pytest.approx([100, 100], abs=2)


def test_what_stops_it_is_raised_and_leaves_what_was_there(tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch):
    out, failures = tmp_path / "out.mp4", []
    out.write_bytes(b"precious")
    monkeypatch.setattr(painter, "apply_grid", lambda *_, **__: 1 / 0)
    work = Painter(find_target(out), clip, Dis(), on_failure=lambda: failures.append("told"))
    work.show(frame(clip, 0))
    work.announce(0)
    work.arrive(0, BRIGHTER, cut=True)
    for frame_id in (1, 2):
        work.show(frame(clip, frame_id))

    with pytest.raises(ZeroDivisionError):
        work.close()

    assert failures == ["told"] and out.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_an_abandoned_run_leaves_what_was_there(tmp_path: Path, clip: Clip):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    work = Painter(find_target(out), clip, Dis())
    work.show(frame(clip, 0))

    work.abandon(KeyboardInterrupt())

    assert out.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_a_path_that_cannot_be_written_is_one_sentence(tmp_path: Path, clip: Clip):
    with pytest.raises(MVStylizerError, match="cannot be written"):
        Painter(find_target(tmp_path / "none" / "out.mp4"), clip, Dis())


# outputs that stall


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """A pipe that nobody reads."""
    monkeypatch.setattr(painter, "SILENCE_S", 1.0)
    out, into = os.pipe()
    yield Target("pipe", "a pipe", f"pipe:{into}", container=STREAMS["rgb24"])
    os.close(out)
    os.close(into)


def test_what_a_pipe_does_not_take_is_dropped_and_counted_and_ending_works(unread: Target, clip: Clip):
    work = Painter(unread, clip, Dis())
    for frame_id in range(500):
        work.show(frame(clip, frame_id))
    for _ in range(10_000):
        work.packet(av.Packet(100))

    assert work.dropped > 400 and work._queue.qsize() <= painter.WAITING + painter.WAITING_PACKETS
    assert work.dropped_packets >= 10_000 - painter.WAITING_PACKETS
    began_s = time.monotonic()
    with pytest.raises(MVStylizerError, match="a pipe has taken nothing for 1 s"):
        work.close()
    assert time.monotonic() - began_s < 5
    with pytest.raises(MVStylizerError, match="has taken nothing"):
        work.check()
