from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clients.headless import video_writer
from clients.headless.camera import CameraFrame
from clients.headless.video_writer import Painter
from clients.reassembly.flow import Dis
from clients.reassembly.grid import IDENTITY
from pipeline.contract.errors import BadSetting

SIZE = (64, 48)
BRIGHTER = (IDENTITY + np.eye(4, dtype=np.float16)[3] * 0.2).astype(np.float16)


def frame(frame_id: int) -> CameraFrame:
    return CameraFrame(frame_id, np.full((48, 64, 3), 100, np.uint8), frame_id / 30)


def levels(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [round(float(frame.to_ndarray(format="rgb24").mean())) for frame in container.decode(video=0)]


def test_the_very_next_frame_uses_an_answer_and_a_cut_shows_it_in_full(tmp_path: Path):
    work = Painter(tmp_path / "out.mp4", SIZE, Fraction(30), Dis())
    for frame_id in range(4):
        work.show(frame(frame_id))
    work.announce(0)
    work.arrive(0, BRIGHTER, cut=True)
    work.show(frame(4))
    work.close()

    assert levels(tmp_path / "out.mp4") == pytest.approx([100, 100, 100, 100, 151], abs=2)
    assert (work.written, work.dropped) == (5, 0)


def test_a_late_answer_follows_the_motion_since_its_key_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = []
    real = video_writer.GridFade.step
    monkeypatch.setattr(video_writer.GridFade, "step", lambda look, moves: shown.append(moves) or real(look, moves))
    scene = np.random.default_rng(0).integers(0, 256, (12, 40, 3), np.uint8)
    scene = np.kron(scene, np.ones((8, 8, 1), np.uint8))
    work = Painter(tmp_path / "out.mp4", (256, 96), Fraction(30), Dis())

    for frame_id in range(30):
        work.show(CameraFrame(frame_id, scene[:, frame_id : frame_id + 256], frame_id / 30))
        if frame_id == 0:
            work.announce(0)
        if frame_id == 20:
            work.arrive(0, BRIGHTER, cut=False)
    work.close()

    assert not np.any(shown[20])
    dx = np.median(shown[21][..., 0]) * 256
    assert dx == pytest.approx(21, abs=1)


def test_when_it_falls_behind_frames_are_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(video_writer, "WAITING", 0)
    work = Painter(tmp_path / "out.mp4", SIZE, Fraction(30), Dis())
    for frame_id in range(3):
        work.show(frame(frame_id))
    monkeypatch.setattr(video_writer, "WAITING", 64)
    work.show(frame(3))
    work.close()

    assert (work.written, work.dropped) == (1, 3)


def test_a_path_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    with pytest.raises(BadSetting, match="cannot be written"):
        Painter(tmp_path / "none" / "out.mp4", SIZE, Fraction(30), Dis())
