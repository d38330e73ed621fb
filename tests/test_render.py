import argparse
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from clients.reassemble import IDENTITY, apply_grid
from edge.paper import PaperModel
from edge.paper_weights import save
from edge.stylizer import Stylizer
from edge.vgg import VGG
from pipeline.codec import encode_jpeg, read_picture
from pipeline.errors import BadSetting, MVStylizerError
from teacher import write_vgg
from workers import render
from workers.__main__ import main
from workers.media import UNKNOWN_MATRIX, Clip, displayed_size, upright, writing

STYLE = np.zeros((8, 8, 3), np.uint8)


class Brightener:
    """A stylizer that adds a constant, more at each key frame if asked, and counts its key frames."""

    def __init__(self, first: float = 0.1, step: float = 0.0) -> None:
        self.key_frames, self._offset, self._step = 0, first, step
        self.states: list[int] = []

    def style(self, image: np.ndarray) -> float:
        return self._offset

    def stylize(self, content: np.ndarray, style: float) -> np.ndarray:
        grid = np.tile(IDENTITY, (1, 8, 2, 3, 1))
        grid[..., 3] = style + self._step * self.key_frames
        self.key_frames += 1
        return grid

    def follow(
        self, content: np.ndarray, style: float, state: int | None, *, elapsed_s: float
    ) -> tuple[np.ndarray, int]:
        """The state counts a scene's key frames."""
        self.elapsed_s, state = elapsed_s, (state or 0) + 1
        self.states.append(state)
        return self.stylize(content, style), state


def picture(index: int, size: tuple[int, int], scene: int = 0) -> np.ndarray:
    """A smooth gradient that drifts, darker in scene 1; its top left corner is red."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    ramp = (60 + 60 * x / width + 30 * y / height + index) * (0.4 if scene else 1)
    rgb = np.repeat(ramp[..., None], 3, 2).astype(np.uint8)
    rgb[: height // 4, : width // 4] = (180, 40, 40)
    return rgb


def make_clip(
    path: Path,
    *,
    frames: int = 12,
    size: tuple[int, int] = (64, 48),
    rate: int = 25,
    times: list[int] | None = None,
    cut_at: int | None = None,
    rotation: int = 0,
    sound: str | None = None,
) -> Path:
    """Write a small video; times are in units of 1/rate."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "10"})
        video.width, video.height = size
        video.pix_fmt = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
        if rotation:
            video.set_display_rotation(rotation)
        voice = sound and container.add_stream(sound, rate=48_000)
        for index in range(frames):
            scene = int(cut_at is not None and index >= cut_at)
            frame = av.VideoFrame.from_ndarray(picture(index, size, scene), format="rgb24")
            frame.pts, frame.time_base = (times or range(frames))[index], Fraction(1, rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if voice:
            add_tone(container, voice, seconds=frames / rate)
    return path


def add_tone(container: av.container.OutputContainer, voice: av.AudioStream, seconds: float) -> None:
    samples = int(48_000 * seconds)
    wave = (np.sin(np.arange(samples) * 440 * 2 * np.pi / 48_000) * 9000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    container.mux(voice.encode(frame))
    container.mux(voice.encode(None))


def convert(source: Path, out: Path, stylizer: object = None, **options: object) -> int:
    settings = {"size": displayed_size(source), "interval": 5, "strength": 1.0} | options
    with Clip(source) as clip:
        return render.stylize_video(clip, out, stylizer or Brightener(), STYLE, **settings)


def frames_of(path: Path) -> list[np.ndarray]:
    with Clip(path) as clip:
        return [upright(frame) for frame in clip.frames(lambda packet: None)]


def times_of(path: Path) -> list[float]:
    with Clip(path) as clip:
        return [frame.time for frame in clip.frames(lambda packet: None)]


def sound_packets(path: Path) -> tuple[str, list[bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return stream.codec_context.name, [bytes(packet) for packet in container.demux(stream) if packet.size]


def arguments(command: str, *words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    getattr(render, f"add_{command}_arguments")(parser)
    return parser.parse_args([str(word) for word in words])


# between key frames


class Still:
    """A decoded frame of one colour that, unlike av's own, can be referenced weakly."""

    def __init__(self, luma: int) -> None:
        self._frame = av.VideoFrame.from_ndarray(np.full((24, 16), luma, np.uint8), format="yuv420p")

    def __getattr__(self, name: str) -> object:
        return getattr(self._frame, name)


def offset_grids(count: int) -> Iterator[np.ndarray]:
    for index in range(count):
        yield np.full((3, 1, 1, 1, 4), index, np.float16)


def offsets(stills: list[Still], interval: int) -> list[float]:
    grids = offset_grids(len(stills))
    return [float(grid.flat[0]) for _, grid in render.with_grids(stills, lambda frame, cut: next(grids), interval)]


def test_grids_blend_linearly_from_key_frame_to_key_frame():
    assert offsets([Still(100)] * 10, interval=4) == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2]


def test_every_frame_has_its_own_grid_at_interval_1():
    assert offsets([Still(100)] * 4, interval=1) == [0, 1, 2, 3]


def test_a_cut_switches_hard_and_starts_a_new_count():
    scenes = [Still(30)] * 6 + [Still(200)] * 5

    assert offsets(scenes, interval=4) == [0, 0.25, 0.5, 0.75, 1, 1, 2, 2.25, 2.5, 2.75, 3]


def test_no_frames_no_grids():
    assert offsets([], interval=4) == []


def test_frames_are_let_go_as_soon_as_they_are_painted():
    alive: weakref.WeakSet = weakref.WeakSet()
    most = 0

    def endless() -> Iterator[Still]:
        for _ in range(100):
            still = Still(100)
            alive.add(still)
            yield still

    for _ in render.with_grids(endless(), lambda frame, cut: np.zeros((3, 1, 1, 1, 4), np.float16), 10):
        most = max(most, len(alive))

    assert most <= 12


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
        assert next(clip.frames(lambda packet: None)).rotation == 0


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
    small = render.resized(frames_of(source)[0], (33, 21))
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

    with pytest.raises(interruption), Clip(source) as clip, writing(tmp_path / name, clip, (64, 48)) as output:
        for frame in clip.frames(output.sound):
            output.write(upright(frame), frame.pts)
            if frame.time > 0.2:
                raise interruption

    assert list(tmp_path.iterdir()) == [source]


def test_an_interrupted_run_keeps_the_output_it_was_to_replace(tmp_path: Path):
    source, out = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    out.write_bytes(b"precious")

    with pytest.raises(KeyboardInterrupt), Clip(source) as clip, writing(out, clip, (64, 48)):
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


# pictures


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".PNG"])
def test_image_is_stylized_at_the_wanted_size(tmp_path: Path, suffix: str):
    content, out = picture(0, (65, 43)), tmp_path / f"out{suffix}"

    render.stylize_image(content, out, Brightener(), STYLE, size=(33, 21), strength=1.0)

    painted = read_picture(out.read_bytes())
    assert painted.shape == (21, 33, 3)
    np.testing.assert_allclose(painted.mean((0, 1)), content.mean((0, 1)) + 25.5, atol=3)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(("options", "size"), [
    ([], (65, 43)), (["--scale", "0.5"], (32, 22)), (["--scale", "0.001"], (1, 1)), (["--size", "7x9"], (7, 9)),
])  # fmt: skip
def test_size_and_scale_of_an_image(options: list[str], size: tuple[int, int]):
    args = arguments("image", "in.jpg", "dusk", "out.jpg", *options)

    assert render._image_size(args.size, args.scale, np.zeros((43, 65, 3), np.uint8)) == size


def test_style_is_a_photo_or_a_shipped_name(tmp_path: Path):
    photo = tmp_path / "dusk"
    photo.write_bytes(encode_jpeg(np.full((10, 20, 3), 99, np.uint8)))

    assert render.style_picture(str(photo)).shape == (10, 20, 3)
    assert render.style_picture("Golden Hour").shape == (512, 768, 3)


# the command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_clip(tmp_path / "in.mp4", frames=2)
    make_clip(tmp_path / "full.mp4", frames=2)
    (tmp_path / "photo.png").write_bytes(cv2.imencode(".png", picture(0, (64, 48)))[1])
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    return tmp_path


@pytest.mark.parametrize(("command", "sentence"), [
    ("video none.mp4 o.mp4 --style dusk", "none.mp4 is not a file."),
    ("video text.mp4 o.mp4 --style dusk", "not a readable video"),
    ("video photo.png o.mp4 --style nosuch", "Autumn, Dusk"),
    ("video in.mp4 o.mp4 --style text.jpg", "not a JPEG, PNG or WebP"),
    ("video in.mp4 full.mp4 --style dusk", "full.mp4 exists; --force"),
    ("video in.mp4 full --style dusk", "not empty; --force"),
    ("video in.mp4 o.avi --style dusk", "must end in .mp4, .mov, .mkv or .webm, or be a folder"),
    ("video in.mp4 no/o.mp4 --style dusk", "does not exist"),
    ("video in.mp4 o.mp4 --style dusk --size 64", "WIDTHxHEIGHT"),
    ("video in.mp4 o.mp4 --style dusk --size 0x48", "1 to 16000"),
    ("video in.mp4 o.mp4 --style dusk --size 64x99999", "1 to 16000"),
    ("video in.mp4 o.mp4 --style dusk --interval 0", "--interval must be 1 to 120"),
    ("video in.mp4 o.mp4 --style dusk --strength 2", "--strength must be 0 to 1"),
    ("video in.mp4 o.mp4 --style dusk --strength nan", "--strength must be 0 to 1"),
    ("image none.jpg dusk o.jpg", "none.jpg is not a file."),
    ("image text.jpg dusk o.jpg", "not a JPEG, PNG or WebP"),
    ("image photo.png nosuch o.jpg", "neither a file nor a shipped style"),
    ("image photo.png dusk o.gif", "must end in .jpg, .jpeg, .png or .webp"),
    ("image photo.png dusk photo.png", "photo.png exists; --force"),
    ("image photo.png dusk full", "must end in"),
    ("image photo.png dusk o.png --scale 0", "--scale must be a number above 0"),
    ("image photo.png dusk o.png --scale inf", "--scale must be a number above 0"),
    ("image photo.png dusk o.png --scale 9999", "1 to 16000"),
    ("image photo.png dusk o.png --size axb", "WIDTHxHEIGHT"),
    ("image photo.png dusk o.png --model paper", "go with the original VGG-19: name its file with --vgg"),
    ("image photo.png dusk o.png --model paper --weights text.jpg --vgg text.mp4", "text.mp4 holds no VGG-19 weights"),
])  # fmt: skip
def test_misuse_is_one_sentence_and_exit_code_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, command: str, sentence: str
):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(render, "load_stylizer", lambda _: pytest.fail("found out before the model is loaded"))

    with pytest.raises(SystemExit) as ended:
        main(command.split())

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert sentence in said and said.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_damaged_video_is_misuse(folder: Path):
    (folder / "half.mp4").write_bytes((folder / "in.mp4").read_bytes()[:600])

    with pytest.raises(BadSetting, match="not a readable video"):
        Clip(folder / "half.mp4")


def test_whole_commands_with_the_shipped_model(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    stylizer = Stylizer.load(device="cpu")
    monkeypatch.setattr(render, "load_stylizer", lambda *_: stylizer)

    main("image photo.png golden_hour painted.png --scale 2".split())
    main("video in.mp4 frames --style autumn --every-frame --size 80x60".split())
    main("video in.mp4 full.mp4 --style autumn --force --strength 0.5".split())

    painted = read_picture((folder / "painted.png").read_bytes())
    original = render.resized(read_picture((folder / "photo.png").read_bytes()), (128, 96))
    assert painted.shape == (96, 128, 3)
    assert np.abs(painted.astype(int) - original).mean() > 5
    assert len(list((folder / "frames").iterdir())) == 2
    assert displayed_size(folder / "full.mp4") == (64, 48)


@pytest.mark.parametrize("photo", [
    np.linspace(0, 65535, 40 * 60 * 3).reshape(40, 60, 3).astype(np.uint16), np.full((40, 60), 77, np.uint8),
    np.full((40, 60, 4), (10, 200, 90, 128), np.uint8), np.full((40, 60, 4), 0, np.uint8),
    picture(0, (4000, 1)), picture(0, (1, 4000)), np.full((1, 1, 3), 200, np.uint8), np.zeros((40, 60, 3), np.uint8),
], ids=["16-bit", "grey", "alpha", "transparent", "4000x1", "1x4000", "one-pixel", "black"])  # fmt: skip
def test_odd_photos_and_styles_are_painted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, photo: np.ndarray
):
    monkeypatch.chdir(folder)
    (folder / "odd.png").write_bytes(cv2.imencode(".png", photo)[1])
    stylizer = Stylizer.load(device="cpu")
    monkeypatch.setattr(render, "load_stylizer", lambda *_: stylizer)

    main("image odd.png dusk as-content.png".split())
    main("image photo.png odd.png as-style.png".split())

    assert read_picture((folder / "as-content.png").read_bytes()).shape == (*photo.shape[:2], 3)
    assert read_picture((folder / "as-style.png").read_bytes()).shape == (48, 64, 3)


def test_an_image_by_model_paper(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    save(PaperModel(VGG(write_vgg(folder / "vgg.npz"))), folder / "paper.safetensors")
    command = "image photo.png dusk {} --model paper --weights paper.safetensors --vgg vgg.npz --scale 2 --strength {}"

    main(command.format("painted.png", 1).split())
    main(command.format("untouched.png", 0).split())

    original = render.resized(read_picture((folder / "photo.png").read_bytes()), (128, 96))
    assert np.array_equal(read_picture((folder / "untouched.png").read_bytes()), original)
    assert np.abs(read_picture((folder / "painted.png").read_bytes()).astype(int) - original).mean() > 5
