import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.load.recording import FRAMES, INTRA_EVERY, Recording, record
from pipeline.contract import frame_strip
from pipeline.contract.errors import BadSetting
from pipeline.contract.frame_strip import STRIP_ROWS, MonotonicIdFilter
from pipeline.key_frames.picker import planes
from pipeline.key_frames.selector import FrameThumbnail, is_cut
from support.chromium import write_panned_photo

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
    """Strips are read, ids go forward across the seam, and nothing jumps there."""
    round_and_round = [*recording.packets, *recording.packets[:5]]
    believed, before = MonotonicIdFilter(), None
    for index, frame in enumerate(decoded(round_and_round)):
        luma, u, v = planes(frame)
        frame_id = frame_strip.read(luma[-STRIP_ROWS:])
        thumbnail = FrameThumbnail.at(luma[:-STRIP_ROWS], u[: -STRIP_ROWS // 2], v[: -STRIP_ROWS // 2])

        assert frame_id == recording.frame_id(index) and believed.accept(frame_id)
        assert before is None or not is_cut(before, thumbnail)
        before = thumbnail


@given(st.integers(110, 2000))
def test_ids_go_forward_however_long_the_recording_is(frames):
    recording, believed = Recording(SIZE, 30, (b"",) * frames), MonotonicIdFilter()

    ids = [recording.frame_id(index) for index in range(3 * frames)]

    assert all(believed.accept(frame_id) for frame_id in ids)
    assert len(set(ids)) == frames


def test_there_is_one_packet_a_frame_and_an_intra_frame_every_three_seconds(recording):
    whole = [index for index, packet in enumerate(recording.packets) if not packet[0] & 1]

    assert len(recording.packets) == 120 and whole == [0, INTRA_EVERY]
    assert all(FRAMES % n for n in range(2, 22))


def test_without_a_clip_it_pans_across_a_photo():
    first, last = (frame.to_ndarray(format="rgb24") for frame in decoded(record(None, SIZE, frames=40).packets)[::20])

    assert first.shape == (SIZE[1] + STRIP_ROWS, SIZE[0], 3)
    assert np.abs(first.astype(int) - last).mean() > 5


def test_what_is_no_video_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no video")

    with pytest.raises(BadSetting, match="notes.txt"):
        record(path, SIZE)
