from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.media.clip import Clip
from support.pictures.clips import make_clip, picture
from workers.files.key_frames import MAX_INTERVAL, by_codec, by_content, fixed, marked


def key_frames(path: Path, choice) -> list[int]:
    with Clip(path) as clip:
        return [now.index for now in marked(clip.frames(), choice) if now.key]


def grey(count: int) -> list[av.VideoFrame]:
    return [av.VideoFrame(16, 16, "yuv420p") for _ in range(count)]


@given(st.integers(1, MAX_INTERVAL), st.integers(0, 300))
def test_fixed_is_every_so_many_frames(interval: int, count: int):
    keys = [now.index for now in marked(grey(1) * count, fixed(interval)) if now.key]

    assert keys == list(range(0, count, interval))


@pytest.mark.parametrize("choice", [fixed(7), by_content(7), by_codec(7)], ids=["fixed", "content", "codec"])
def test_the_first_frame_and_each_scene_begin_with_a_key_frame(tmp_path: Path, choice):
    assert {0, 11} <= set(key_frames(make_clip(tmp_path / "in.mp4", frames=20, cut_at=11), choice))


def test_content_leaves_a_still_scene_to_the_interval(tmp_path: Path):
    assert key_frames(make_clip(tmp_path / "in.mp4", frames=20), by_content(8)) == [0, 8, 16]


def test_codec_takes_the_files_own_intra_frames(tmp_path: Path):
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"g": "6", "sc_threshold": "0"})
        video.width, video.height = 64, 48
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(picture(index, (64, 48)), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))

    assert key_frames(path, by_codec(10)) == [0, 6, 12, 18]


def test_key_frames_are_never_farther_apart_than_memory_allows():
    frames = grey(1) * (2 * MAX_INTERVAL + 2)

    keys = [now.index for now in marked(frames, lambda frame, thumbnail, since: False) if now.key]

    assert keys == [0, MAX_INTERVAL, 2 * MAX_INTERVAL]
