import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.load.recording import FRAMES, PICTURES, Recording, record
from clients.load.vp8_layers import base_distance, intra_distance
from pipeline.contract import frame_strip
from pipeline.contract.errors import BadSetting
from pipeline.contract.frame_strip import STRIP_ROWS, MonotonicIdFilter
from pipeline.key_frames.frames import planes
from pipeline.key_frames.thumbnail import FrameThumbnail, is_cut
from support.browsers.chromium import write_panned_photo
from support.pictures.clips import make_clip

SIZE = (192, 108)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_panned_photo(tmp_path_factory.mktemp("clip") / "clip.y4m", *SIZE, frames=40)


@pytest.fixture(scope="module")
def recording(clip) -> Recording:
    return record(clip, SIZE, frames=120)


def decoded(packets) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("libvpx", "r")
    return [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]


def test_a_recording_goes_round_without_a_gateway_noticing(recording):
    """Strips are read, ids go forward from the last frame to the first, and the picture does not jump there."""
    round_and_round = [*recording.packets, *recording.packets[:5]]
    believed, before = MonotonicIdFilter(), None
    for index, frame in enumerate(decoded(round_and_round)):
        luma, u, v = planes(frame)
        frame_id = frame_strip.read(luma[-STRIP_ROWS:])
        thumbnail = FrameThumbnail.at(luma[:-STRIP_ROWS], u[: -STRIP_ROWS // 2], v[: -STRIP_ROWS // 2])

        assert frame_id == recording.frame_id(index) and believed.accept(frame_id)
        assert before is None or not is_cut(before, thumbnail)
        before = thumbnail


@pytest.mark.parametrize("pace_fps", [2.5, 5, 10])
def test_ids_go_forward_at_any_pace(pace_fps):
    recording, believed = Recording(SIZE, 30, (b"",) * FRAMES), MonotonicIdFilter()

    sent = [index for index in range(3 * FRAMES) if recording.is_at(index, recording.step(pace_fps))]

    assert all(believed.accept(recording.frame_id(index)) for index in sent)


@given(st.integers(110, 2000))
def test_ids_go_forward_however_long_the_recording_is(frames):
    recording, believed = Recording(SIZE, 30, (b"",) * frames), MonotonicIdFilter()

    ids = [recording.frame_id(index) for index in range(3 * frames)]

    assert all(believed.accept(frame_id) for frame_id in ids)
    assert len(set(ids)) == frames


def test_there_is_one_packet_a_frame_and_an_intra_frame_every_three_seconds(recording):
    whole = [index for index, packet in enumerate(recording.packets) if not packet[0] & 1]

    assert len(recording.packets) == 120 and whole == [0, intra_distance(30)] == [0, 96]
    assert all(FRAMES % n for n in range(2, 22)) and (FRAMES - 1) % (2 * (PICTURES - 1)) == 0


@pytest.mark.parametrize("pace_fps", [2.5, 5, 10, 30])
def test_what_is_sent_at_any_pace_looks_as_if_all_had_been_sent(recording, pace_fps):
    """Also with other frames between, which were asked for, and when it goes round."""
    step, frames = recording.step(pace_fps), range(2 * len(recording.packets))
    sent = [index for index in frames if recording.is_at(index, step) or index % 17 == 5]
    whole = decoded(recording.packet(index) for index in frames)

    some = decoded(recording.packet(index) for index in sent)

    assert 30 / step == pace_fps and len(some) == len(sent)
    assert all(np.array_equal(pixels(frame), pixels(whole[index])) for index, frame in zip(sent, some, strict=True))


def pixels(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24")


def test_the_lowest_pace_costs_a_third_of_a_megabit_at_most():
    recording = record(None, (640, 360), frames=449)

    base = [recording.packet(index) for index in range(449) if recording.is_at(index, recording.step(2.5))]

    assert 8 * sum(map(len, base)) * 30 / 449 < 0.33e6


@pytest.mark.parametrize(
    ("fps", "pace_fps", "step"),
    [(30, 0.1, 12), (30, 2.6, 6), (30, 9, 3), (30, 60, 1), (25, 2, 10), (60, 2, 12), (2, 1, 1)],
)
def test_a_pace_is_never_undercut_but_for_the_camera(fps, pace_fps, step):
    assert Recording(SIZE, fps, (b"",)).step(pace_fps) == step


def test_frames_that_others_need_are_known(recording):
    needed = [index for index in range(130) if recording.is_needed(index)]

    assert needed == [*range(0, 120, base_distance(30)), 120]  # it begins anew after 120 frames


def test_scene_cuts_are_found_in_both_directions(tmp_path):
    clip = make_clip(tmp_path / "cut.mkv", frames=20, size=SIZE, cut_at=10)

    recording = record(clip, SIZE, frames=38)

    assert sorted(recording.cuts) == [10, 29] and recording.begins_scene(38 + 10)


def test_without_a_clip_it_pans_across_a_photo():
    first, last = (pixels(frame) for frame in decoded(record(None, SIZE, frames=40).packets)[::20])

    assert first.shape == (SIZE[1] + STRIP_ROWS, SIZE[0], 3)
    assert np.abs(first.astype(int) - last).mean() > 5


def test_what_is_no_video_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no video")

    with pytest.raises(BadSetting, match="notes.txt"):
        record(path, SIZE)
