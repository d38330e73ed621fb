"""The encoder that the user wants, and its options."""

from pathlib import Path

import av
import pytest
from av.codec import Codec

from clients.media.encoding import ENCODERS, Encoding, encoder_for
from pipeline.contract.errors import BadSetting
from support.pictures.clips import convert, frames_of, make_clip


@pytest.mark.parametrize(("encoder", "suffix", "codec"), [
    ("libx264", ".mkv", "h264"), ("libx265", ".mp4", "hevc"), ("libsvtav1", ".webm", "av1"),
    ("libvpx-vp9", ".mp4", "vp9"),
])  # fmt: skip
def test_an_encoder_can_be_chosen(tmp_path: Path, encoder: str, suffix: str, codec: str):
    source, out = make_clip(tmp_path / "in.mp4", size=(128, 96), frames=6), tmp_path / f"out{suffix}"

    convert(source, out, encoding=Encoding(encoder))

    with av.open(str(out)) as container:
        assert container.streams.video[0].codec.canonical_name == codec
    assert len(frames_of(out)) == 6


def test_a_larger_crf_makes_a_smaller_file(tmp_path: Path):
    source, sizes = make_clip(tmp_path / "in.mp4", size=(320, 240)), []

    for crf in (10, 40):
        out = tmp_path / f"{crf}.mp4"
        convert(source, out, encoding=Encoding(crf=crf, preset="ultrafast"))
        sizes.append(out.stat().st_size)

    assert sizes[1] < sizes[0] / 2


def test_wishes_have_the_names_that_the_encoder_knows():
    fast = encoder_for(Encoding("libvpx-vp9", 30, "8"), "libx264").options
    hardware = encoder_for(Encoding("h264_nvenc", 30, "p7"), "libx264").options

    assert (fast["crf"], fast["cpu-used"]) == ("30", "8")
    assert (hardware["cq"], hardware["preset"]) == ("30", "p7")


def test_libx264_looks_less_far_ahead_in_large_pictures_unless_a_preset_is_wanted():
    def lookahead(pixels: int, preset: str | None = None) -> str | None:
        return encoder_for(Encoding(preset=preset), "libx264", pixels=pixels).options.get("rc-lookahead")

    assert lookahead(3840 * 2160) == "5"
    assert lookahead(1920 * 1080) is None and lookahead(3840 * 2160, "medium") is None


def test_planes_are_in_a_format_that_the_encoder_takes():
    assert encoder_for(Encoding(), "libx264").pixel_format == "yuv420p"
    assert encoder_for(Encoding("hevc_qsv"), "libx264").pixel_format == "nv12"


@pytest.mark.parametrize("encoding", [Encoding(preset="nosuch"), Encoding("hevc_qsv"), Encoding("h264_amf")])
def test_an_encoder_that_does_not_start_is_one_sentence(tmp_path: Path, encoding: Encoding):
    source = make_clip(tmp_path / "in.mp4", frames=2)
    if encoding.encoder and starts(encoding.encoder):
        pytest.skip("this machine has such hardware")

    with pytest.raises(BadSetting, match="does not start on this machine with .*Take other values of --crf"):
        convert(source, tmp_path / "out.mp4", encoding=encoding)

    assert list(tmp_path.iterdir()) == [source]


def starts(encoder: str) -> bool:
    context = av.CodecContext.create(Codec(encoder, "w"))
    context.width, context.height, context.pix_fmt, context.framerate = 256, 256, "nv12", 25
    try:
        context.open()
    except (av.FFmpegError, OSError):
        return False
    return True


def test_a_container_that_does_not_take_an_encoder_is_one_sentence(tmp_path: Path):
    with pytest.raises(BadSetting, match=r"out\.webm cannot hold what --encoder libx264 writes"):
        convert(make_clip(tmp_path / "in.mp4"), tmp_path / "out.webm", encoding=Encoding("libx264"))


@pytest.mark.parametrize("name", ["aac", "nosuch", "mpeg4"])
def test_other_encoders_are_refused(name: str):
    with pytest.raises(BadSetting, match=f"one of {ENCODERS[0].name}, .* not {name}"):
        encoder_for(Encoding(name), "libx264")
