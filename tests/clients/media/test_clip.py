"""Files as cameras, broadcasters and editors make them are read upright, deinterlaced, and with times from 0 on."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from clients.media.clip import Clip, fine_time_base, upright, upright_alpha
from pipeline.contract.errors import BadSetting
from support.pictures.clips import add_tone, frames_of, make_clip, picture, times_of


def spans(path: Path) -> dict[str, tuple[float, float]]:
    """The beginning and end of picture and sound, in seconds."""
    sounds: list[av.Packet] = []
    with Clip(path) as clip:
        frames = [(frame.time, frame.duration * frame.time_base) for frame in clip.frames(sounds.append)]
    sounds = [packet for packet in sounds if packet.size]
    found = {"video": (frames[0][0], float(frames[-1][0] + frames[-1][1]))}
    if sounds:
        last = sounds[-1]
        found["sound"] = float(sounds[0].pts * last.time_base), float((last.pts + last.duration) * last.time_base)
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("offset_s", [5, 30_000])
def test_late_starts_and_hours_of_offset_are_0(tmp_path: Path, suffix: str, offset_s: int):
    source = make_clip(tmp_path / f"in{suffix}", times=[offset_s * 25 + index for index in range(12)])

    assert times_of(source) == pytest.approx([index / 25 for index in range(12)], abs=1e-3)


@pytest.mark.parametrize("seconds", [1, 3])
def test_joined_transport_streams_go_on_with_sound_in_step(tmp_path: Path, seconds: int):
    part = make_clip(tmp_path / "part.ts", frames=25 * seconds, sound="aac").read_bytes()
    source = tmp_path / "joined.ts"
    source.write_bytes(part * 3)

    with Clip(source) as clip:
        times_s = [frame.time for frame in clip.frames()]

    assert len(times_s) == 75 * seconds and times_s[0] < 0.1
    assert all(0 < after - before < 0.15 for before, after in pairwise(times_s))
    video, sound = spans(source)["video"], spans(source)["sound"]
    assert video[1] == pytest.approx(3 * seconds, abs=0.25) and sound[1] == pytest.approx(video[1], abs=0.15)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_reordered_frames_in_avi_have_their_own_times(tmp_path: Path, codec: str):
    source = tmp_path / "in.avi"
    with av.open(str(source), "w") as container:
        video = container.add_stream(codec, rate=25, options={"bf": "2", "g": "12"})
        video.width, video.height, video.codec_context.max_b_frames = 64, 48, 2
        for index in range(24):
            frame = av.VideoFrame.from_ndarray(picture(5 * index, (64, 48)), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))

    assert times_of(source) == pytest.approx([index / 25 for index in range(24)])
    assert np.all(np.diff([frame.mean() for frame in frames_of(source)]) > 0)


def test_the_last_picture_of_a_gif_is_held(tmp_path: Path):
    source = tmp_path / "in.gif"
    with av.open(str(source), "w", options={"final_delay": "300"}) as container:
        video = container.add_stream("gif", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "rgb8"
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(picture(9 * index, (64, 48)), format="rgb24").reformat(format="rgb8")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))

    assert spans(source)["video"] == pytest.approx((0, 3.4))


def test_a_change_of_size_is_scaled_to_the_first(tmp_path: Path):
    small, large = (make_clip(tmp_path / f"{w}.ts", size=(w, w * 3 // 4), frames=12).read_bytes() for w in (64, 128))
    source = tmp_path / "change.ts"
    source.write_bytes(small + large)

    assert {frame.shape for frame in frames_of(source)} == {(48, 64, 3)} and len(frames_of(source)) == 24


def test_interlaced_pictures_lose_their_combs(tmp_path: Path):
    """A bar moves between the fields: even rows show it in one place, and odd rows in another."""
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "5", "x264-params": "tff=1"})
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        for index in range(12):
            rgb = np.full((96, 128, 3), 40, np.uint8)
            for field in (0, 1):
                left = 8 * index + 4 * field
                rgb[field::2, left : left + 16] = 220
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))

    frames = frames_of(source)
    combs = [np.abs(np.diff(frame[..., 1].astype(int), axis=0)).mean() for frame in frames[2:-2]]

    assert len(frames) == 12 and times_of(source) == pytest.approx([index / 25 for index in range(12)], abs=1e-3)
    assert max(combs) < 5, "rows differ by 11 as they were shot"


@pytest.mark.parametrize("alpha_codec", ["libvpx-vp9", "libvpx"])
def test_alpha_of_webm_is_read(tmp_path: Path, alpha_codec: str):
    source = tmp_path / "in.webm"
    rgba = np.dstack((picture(0, (64, 48)), np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))))
    with av.open(str(source), "w") as container:
        video = container.add_stream(alpha_codec, rate=25, options={"auto-alt-ref": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuva420p"
        video.metadata["alpha_mode"] = "1"
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format="yuva420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))

    with Clip(source) as clip:
        alpha = upright_alpha(next(clip.frames()))
    assert np.abs(alpha.astype(int) - rgba[..., 3]).mean() < 4


def test_damaged_frames_are_left_out_and_the_rest_is_read(tmp_path: Path):
    data = bytearray(make_clip(tmp_path / "whole.mkv", frames=50, size=(320, 240)).read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(2000, len(data) - 500, 40):
        data[place] ^= 0xFF
    (tmp_path / "bad.mkv").write_bytes(data)

    assert 10 < len(frames_of(tmp_path / "bad.mkv")) <= 50


def test_sound_alone_is_told_from_a_damaged_file(tmp_path: Path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        add_tone(container, container.add_stream("aac", rate=48_000), seconds=1)

    with pytest.raises(BadSetting, match="holds no video, only sound"):
        Clip(tmp_path / "sound.mp4")


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_size_is_that_of_the_upright_picture(tmp_path: Path, rotation: int):
    with Clip(make_clip(tmp_path / "in.mp4", rotation=rotation)) as clip:
        first = upright(next(clip.frames()))

        assert clip.size == first.shape[1::-1] == ((48, 64) if rotation % 180 else (64, 48))


@pytest.mark.parametrize("tick_s", [Fraction(1, 25), Fraction(1001, 30_000), Fraction(1, 1000), Fraction(1, 90_000)])
def test_time_is_fine_enough_to_be_moved_and_still_exact(tick_s: Fraction):
    fine = fine_time_base(tick_s)

    assert fine <= Fraction(1, 10_000) and (tick_s / fine).denominator == 1
