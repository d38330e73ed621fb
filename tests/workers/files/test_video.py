"""From a file to a stylized file."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from clients.feeds.outputs import find_target
from clients.media.clip import Clip, upright, upright_luma
from clients.media.colour import UNKNOWN_MATRIX
from clients.media.geometry import resized
from clients.media.writer import writing
from clients.reassembly.flow import ESTIMATORS, Dis, Estimate, no_flow, small_luma
from clients.reassembly.grid import IDENTITY, apply_grid
from pipeline.contract.errors import MVStylizerError
from support.pictures.clips import Brightener, convert, displayed_size, frames_of, make_clip, sound_packets, times_of
from workers.files.key_frame_answers import Answer
from workers.files.key_frames import Marked, fixed, marked
from workers.files.painting import MODES, Canvas
from workers.files.video import answered, most_waiting, reassembled

RGB_ONLY = Canvas((16, 16), lambda: None)

# between key frames


class Still:
    """A decoded frame of one colour that, unlike av's own, can be referenced weakly."""

    def __init__(self, luma: int) -> None:
        self._frame = av.VideoFrame.from_ndarray(np.full((24, 16), luma, np.uint8), format="yuv420p")

    def __getattr__(self, name: str) -> object:
        return getattr(self._frame, name)


class Steps:
    """A stylizer whose colours rise by ten levels from key frame to key frame."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, key: Marked) -> Answer:
        grid = np.tile(IDENTITY, (1, 2, 2, 2, 1))
        grid[..., 3] = self.count * 10 / 255
        self.count += 1
        return Answer(key.frame, RGB_ONLY.size, grid, small_luma(upright_luma(key.frame)))


def steps(stills: list[Still], interval: int, mode: str = "grid") -> list[float]:
    """By how much each frame is brighter, in steps of a key frame."""
    frames = answered(marked(stills, fixed(interval)), Steps())
    pictures = reassembled(frames, MODES[mode], Dis(), RGB_ONLY)
    return [round((painted.astype(float) - upright(frame)).mean() / 10, 1) for frame, painted in pictures]


@pytest.mark.parametrize("mode", ["grid", "residual"])
def test_answers_blend_linearly_from_key_frame_to_key_frame(mode: str):
    assert steps([Still(100)] * 12, 5, mode) == [0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2, 2]


def test_the_papers_mode_holds_the_key_frame_before():
    assert steps([Still(100)] * 7, 3, "warp") == [0, 0, 0, 1, 1, 1, 2]


def test_every_frame_has_its_own_answer_at_interval_1():
    assert steps([Still(100)] * 4, 1) == [0, 1, 2, 3]


@pytest.mark.parametrize("mode", ["grid", "residual"])
def test_a_cut_switches_hard_and_starts_a_new_count(mode: str):
    scenes = [Still(30)] * 6 + [Still(90)] * 6

    assert steps(scenes, 5, mode) == [0, 0.2, 0.4, 0.6, 0.8, 1, 2, 2.2, 2.4, 2.6, 2.8, 3]


def test_no_frames_no_pictures():
    assert steps([], 4) == []


def test_frames_are_let_go_as_soon_as_they_are_painted():
    alive: weakref.WeakSet = weakref.WeakSet()
    most = 0

    def endless() -> Iterator[Still]:
        for _ in range(100):
            still = Still(100)
            alive.add(still)
            yield still

    frames = answered(marked(endless(), fixed(10)), Steps())
    for _ in reassembled(frames, MODES["grid"], Dis(), RGB_ONLY):
        most = max(most, len(alive))

    assert most <= 12


@pytest.mark.parametrize("estimate", [Dis(), no_flow])
def test_of_the_frames_between_key_frames_only_those_to_come_are_held(estimate: Estimate):
    alive: weakref.WeakSet = weakref.WeakSet()

    def made() -> Iterator[Still]:
        for _ in range(21):
            still = Still(100)
            alive.add(still)
            yield still

    frames = answered(marked(made(), fixed(20)), Steps())
    held = [len(alive) for _ in reassembled(frames, MODES["grid"], estimate, RGB_ONLY)]

    assert held[1] > 20
    assert held[-2] <= 4


@pytest.mark.parametrize(("size", "most"), [((640, 360), 8), ((1920, 1080), 7), ((3840, 2160), 1), ((8000, 6000), 1)])
def test_large_frames_are_few_in_memory(size: tuple[int, int], most: int):
    assert most_waiting(size) == most


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("estimate", list(ESTIMATORS))
def test_a_moving_picture_is_reassembled_as_if_each_frame_were_stylized(tmp_path: Path, mode: str, estimate: str):
    source = make_clip(tmp_path / "in.mp4", frames=11)
    options = {"mode": MODES[mode], "estimate": ESTIMATORS[estimate]()}

    convert(source, tmp_path / "every", interval=1)
    convert(source, tmp_path / "out", interval=5, **options)

    for name in ("000002.png", "000007.png"):
        every, out = (cv2.imread(str(tmp_path / folder / name)).astype(float) for folder in ("every", "out"))
        assert np.abs(every - out).mean() < (3 if mode == "warp" else 1.5)


# videos


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_every_frame_is_stylized_and_keeps_its_time(tmp_path: Path, suffix: str):
    source, out = make_clip(tmp_path / "in.mp4"), tmp_path / f"out{suffix}"

    assert convert(source, out) == 12

    np.testing.assert_allclose(times_of(out), times_of(source), atol=1e-3)
    for before, after in zip(frames_of(source), frames_of(out), strict=True):
        np.testing.assert_allclose(after.mean((0, 1)), before.mean((0, 1)) + 25.5, atol=2.5)


def test_colours_survive_the_way_through_the_file(tmp_path: Path):
    source, out = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"

    convert(source, out, strength=0.0)

    assert np.abs(frames_of(out)[3].astype(int) - frames_of(source)[3]).mean() < 2


@pytest.mark.parametrize(("tag", "matrix", "size"), [
    (1, Colorspace.ITU709, (64, 48)),
    (6, Colorspace.ITU601, (1280, 720)),
    (UNKNOWN_MATRIX, Colorspace.ITU601, (64, 48)),
    (UNKNOWN_MATRIX, Colorspace.ITU709, (1280, 720)),
])  # fmt: skip
def test_colours_are_read_by_the_matrix_they_were_written_with(tag: int, matrix: Colorspace, size: tuple[int, int]):
    rgb = np.full((size[1], size[0], 3), (200, 60, 90), np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p", dst_colorspace=matrix)
    frame.colorspace = tag

    np.testing.assert_allclose(upright(frame)[9, 9], (200, 60, 90), atol=3)


def test_variable_frame_rate_stays_one(tmp_path: Path):
    times = [0, 1, 2, 7, 8, 20, 21, 22]
    source, out = make_clip(tmp_path / "in.mp4", frames=8, times=times), tmp_path / "out.mp4"

    convert(source, out)

    np.testing.assert_allclose(times_of(out), np.array(times) / 25, atol=1e-3)


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (2, 2), (1, 1)])
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_odd_and_tiny_sizes_are_kept(tmp_path: Path, size: tuple[int, int], suffix: str):
    source, out = make_clip(tmp_path / "in.mkv", size=(64, 48), frames=3), tmp_path / f"out{suffix}"

    convert(source, out, size=size)

    assert displayed_size(out) == size and len(frames_of(out)) == 3


def test_odd_source_is_read(tmp_path: Path):
    source, out = make_clip(tmp_path / "in.mkv", size=(63, 47), frames=3), tmp_path / "out.mp4"

    convert(source, out)

    assert displayed_size(out) == (63, 47)


def test_rotated_video_comes_out_upright(tmp_path: Path):
    source, out = make_clip(tmp_path / "in.mp4", rotation=90), tmp_path / "out.mp4"

    convert(source, out)

    assert displayed_size(source) == displayed_size(out) == (48, 64)
    corners = frames_of(out)[0][[2, 2, -3, -3], [2, -3, 2, -3]].astype(int)
    red = np.argmax(corners[:, 0] - corners[:, 1])
    assert red == 2, "turned by 90 degrees to the left, the top left corner comes to lie at the bottom left"
    with Clip(out) as clip:
        assert next(clip.frames()).rotation == 0


@pytest.mark.parametrize(("source_suffix", "codec", "suffix"), [
    (".mp4", "aac", ".mp4"), (".mp4", "aac", ".mov"), (".mp4", "aac", ".mkv"),
    (".mkv", "libopus", ".mp4"), (".mkv", "libopus", ".webm"), (".avi", "libmp3lame", ".mp4"),
    (".mkv", "pcm_s16le", ".mkv"), (".mkv", "pcm_s16le", ".mov"),
])  # fmt: skip
def test_sound_is_copied_untouched(tmp_path: Path, source_suffix: str, codec: str, suffix: str):
    source, out = make_clip(tmp_path / f"in{source_suffix}", sound=codec, frames=25), tmp_path / f"out{suffix}"

    convert(source, out)

    assert b"".join(sound_packets(out)[1]) == b"".join(sound_packets(source)[1])
    assert len(frames_of(out)) == 25


@pytest.mark.parametrize(("codec", "suffix", "becomes"), [
    ("aac", ".webm", "opus"), ("pcm_s16le", ".webm", "opus"), ("pcm_s16le", ".mp4", "aac"),
])  # fmt: skip
def test_sound_is_encoded_anew_where_the_container_does_not_take_it(
    tmp_path: Path, codec: str, suffix: str, becomes: str
):
    source, out = make_clip(tmp_path / "in.mkv", sound=codec, frames=25), tmp_path / f"out{suffix}"

    convert(source, out)

    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec.canonical_name == becomes
        decoded = list(container.decode(audio=0))
    assert decoded[0].sample_rate == 48_000
    assert sum(frame.samples for frame in decoded) == pytest.approx(48_000, rel=0.1)
    assert np.abs(np.concatenate([frame.to_ndarray() for frame in decoded], -1)).mean() > 0.05, "it is heard"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_of_a_transport_stream_is_copied_in_the_other_framing(tmp_path: Path, suffix: str):
    source, out = make_clip(tmp_path / "in.ts", sound="aac", frames=25), tmp_path / f"out{suffix}"

    convert(source, out)

    assert len(sound_packets(out)[1]) == len(sound_packets(source)[1])
    with av.open(str(out)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == pytest.approx(48_000, rel=0.1)


def test_folder_gets_lossless_frames(tmp_path: Path):
    source, out = make_clip(tmp_path / "in.mp4", sound="aac"), tmp_path / "frames"

    convert(source, out, size=(33, 21))

    assert sorted(path.name for path in out.iterdir()) == [f"{index:06}.png" for index in range(12)]
    first = cv2.cvtColor(cv2.imread(str(out / "000000.png")), cv2.COLOR_BGR2RGB)
    small = resized(frames_of(source)[0], (33, 21))
    np.testing.assert_array_equal(first, apply_grid(small, Brightener().stylize(small, 0.1)))


def test_key_frames_are_a_tenth_of_the_work(tmp_path: Path):
    source, stylizer = make_clip(tmp_path / "in.mp4", frames=21), Brightener()

    convert(source, tmp_path / "out.mp4", stylizer, interval=10)

    assert stylizer.key_frames == 3


def test_a_scene_has_one_memory(tmp_path: Path):
    source, stylizer = make_clip(tmp_path / "in.mp4", frames=20, rate=25, cut_at=11), Brightener()

    convert(source, tmp_path / "out.mp4", stylizer, interval=5)

    assert stylizer.states == [1, 2, 3, 1, 2]
    assert stylizer.elapsed_s == 0.2


def test_the_last_frames_of_a_file_cut_short_are_left_out(tmp_path: Path):
    whole = make_clip(tmp_path / "in.mkv", frames=50, size=(320, 240))
    source, out = tmp_path / "short.mkv", tmp_path / "out.mp4"
    source.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])

    assert 0 < convert(source, out) < 50
    assert len(frames_of(out)) == len(frames_of(source))


# all or nothing


@pytest.mark.parametrize("name", ["out.mp4", "frames"])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_of_an_interrupted_run(tmp_path: Path, name: str, interruption: type[BaseException]):
    source = make_clip(tmp_path / "in.mp4")

    with (
        pytest.raises(interruption),
        Clip(source) as clip,
        writing(find_target(tmp_path / name, or_folder=True), clip, (64, 48)) as output,
    ):
        for frame in clip.frames(output.packet):
            output.write(upright(frame), frame)
            if frame.time > 0.2:
                raise interruption

    assert list(tmp_path.iterdir()) == [source]


def test_an_interrupted_run_keeps_the_output_it_was_to_replace(tmp_path: Path):
    source, out = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    out.write_bytes(b"precious")

    with pytest.raises(KeyboardInterrupt), Clip(source) as clip, writing(find_target(out), clip, (64, 48)):
        raise KeyboardInterrupt

    assert out.read_bytes() == b"precious"


def test_a_video_may_replace_itself(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4")
    before = frames_of(source)[0].mean()

    convert(source, source)

    assert frames_of(source)[0].mean() == pytest.approx(before + 25.5, abs=2)
    assert list(tmp_path.iterdir()) == [source]


def test_replacing_a_folder_keeps_what_is_not_a_frame(tmp_path: Path):
    source, out = make_clip(tmp_path / "in.mp4", frames=2), tmp_path / "frames"
    out.mkdir()
    for name in ("000000.png", "000009.png", "notes.txt"):
        (out / name).write_bytes(b"old")

    convert(source, out)

    assert sorted(path.name for path in out.iterdir()) == ["000000.png", "000001.png", "notes.txt"]
    assert (out / "000000.png").stat().st_size > 3


def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4", frames=2)

    with pytest.raises(MVStylizerError, match="cannot be written"):
        convert(source, tmp_path / "no such folder" / "out.mp4")
