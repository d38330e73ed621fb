"""What a video keeps, beside its pictures, from one file to another."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.subtitles.subtitle import SubtitleSet

from clients.media.clip import Clip
from pipeline.contract.errors import MVStylizerError
from support.pictures.clips import add_tone, convert, frames_of, make_clip, picture

PLACE, DAY = "+52.5200+013.4000/", "2024-05-01T12:30:00.000000Z"


def rich(path: Path, *, subtitles: str | None = None, seconds: float = 2.0, start: int = 0) -> Path:
    """A file with two sounds (the second is the default), title, date, place, languages, a chapter, maybe subtitles."""
    with av.open(str(path), "w") as container:
        container.metadata.update({"title": "Holiday", "creation_time": DAY, "location": PLACE})
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        sounds = [container.add_stream("aac", rate=48_000) for _ in range(2)]
        for sound, language in zip(sounds, ("ger", "jpn")):
            sound.metadata["language"] = language
            sound.disposition = Disposition.default if language == "jpn" else Disposition(0)
        texts = container.add_stream(subtitles) if subtitles else None
        if texts:
            texts.metadata["language"] = "fre"
            texts.codec_context.subtitle_header = b"[Script Info]\n[V4+ Styles]\n[Events]\n"
            texts.codec_context.time_base = Fraction(1, 1000)
        container.set_chapters([
            {"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
            {"id": 2, "start": 1000, "end": 2000, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
        ])  # fmt: skip
        for index in range(round(25 * seconds)):
            frame = av.VideoFrame.from_ndarray(picture(index, (64, 48)), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if texts:
            line = SubtitleSet.create(b"0,0,Default,,0,0,0,,Bonjour", 0, 1000, 500)
            packet = texts.codec_context.encode_subtitle(line)
            packet.stream, packet.time_base, packet.pts, packet.dts, packet.duration = (
                texts,
                Fraction(1, 1000),
                500,
                500,
                1000,
            )
            container.mux(packet)
        for sound in sounds:
            add_tone(container, sound, seconds)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_title_date_place_languages_and_default_tracks_are_kept(tmp_path: Path, suffix: str):
    out = tmp_path / f"out{suffix}"

    convert(rich(tmp_path / "in.mp4"), out)

    with av.open(str(out)) as container:
        tags = {key.lower(): text for key, text in container.metadata.items()}
        sounds = [(s.language, bool(s.disposition & Disposition.default)) for s in container.streams.audio]
        chapters = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in container.chapters()]
    assert tags["title"] == "Holiday" and tags["location"] == PLACE
    assert suffix == ".webm" or tags["creation_time"] == DAY
    assert sounds == [("ger", False), ("jpn", True)]
    assert chapters == [(0, "One"), (1, "Two")]


@pytest.mark.parametrize(("source", "codec", "suffix", "becomes"), [
    (".mp4", "mov_text", ".mp4", "mov_text"), (".mp4", "mov_text", ".mkv", "subrip"),
    (".mkv", "subrip", ".mp4", "mov_text"), (".mkv", "subrip", ".webm", "webvtt"),
    (".mkv", "subrip", ".mkv", "subrip"), (".mkv", "ass", ".mkv", "ass"),
])  # fmt: skip
def test_subtitles_are_kept_in_the_form_that_the_container_takes(
    tmp_path: Path, source: str, codec: str, suffix: str, becomes: str
):
    out = tmp_path / f"out{suffix}"

    convert(rich(tmp_path / f"in{source}", subtitles=codec), out)

    with av.open(str(out)) as container:
        stream = container.streams.subtitles[0]
        assert {"ssa": "ass", "srt": "subrip"}.get(
            name := stream.codec_context.name, name
        ) == becomes and stream.language == "fre"
        packets = [packet for packet in container.demux(stream) if b"Bonjour" in bytes(packet)]
    assert len(packets) == 1 and float(packets[0].pts * packets[0].time_base) == pytest.approx(0.5, abs=0.03)


def damaged_flac(path: Path) -> Path:
    """Sound with one packet in the middle that cannot be decoded."""
    make_clip(path.with_name("whole.mkv"), frames=50, sound="flac")
    with av.open(str(path.with_name("whole.mkv"))) as whole, av.open(str(path), "w") as container:
        streams = {s.index: container.add_stream_from_template(s) for s in whole.streams}
        for number, packet in enumerate(p for p in whole.demux() if p.size):
            if packet.stream.type == "audio" and 0.8 < packet.pts * packet.time_base < 0.95:
                broken = av.Packet(bytes(len(bytes(packet))))
                broken.pts, broken.dts, broken.duration, broken.time_base = (
                    packet.pts, packet.dts, packet.duration, packet.time_base,
                )  # fmt: skip
                broken.stream = streams[packet.stream_index]
                container.mux(broken)
                continue
            packet.stream = streams[packet.stream_index]
            container.mux(packet)
    return path


def test_a_damaged_packet_of_sound_becomes_silence_and_the_rest_stays_in_step(tmp_path: Path):
    out = tmp_path / "out.webm"

    convert(damaged_flac(tmp_path / "in.mkv"), out)

    with av.open(str(out)) as container:
        frames = list(container.decode(audio=0))
    samples = np.concatenate([frame.to_ndarray() for frame in frames], -1)[0]
    assert len(frames_of(out)) == 50 and len(samples) / 48_000 == pytest.approx(2, abs=0.06)
    assert np.abs(samples[-48_000 // 4 : -4800]).mean() > 0.05, "the end is heard"


def test_sound_that_starts_late_stays_late_when_it_is_encoded_anew(tmp_path: Path):
    source, out = tmp_path / "in.mkv", tmp_path / "out.webm"
    make_clip(tmp_path / "a.mkv", frames=50, sound="aac")
    with av.open(str(tmp_path / "a.mkv")) as whole, av.open(str(source), "w") as container:
        streams = {s.index: container.add_stream_from_template(s) for s in whole.streams}
        for packet in whole.demux():
            if packet.size:
                late = round(Fraction(1) / packet.time_base) if packet.stream.type == "audio" else 0
                packet.pts += late
                packet.dts = None if packet.dts is None else packet.dts + late
                packet.stream = streams[packet.stream_index]
                container.mux(packet)

    convert(source, out)

    with av.open(str(out)) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], -1)[0]
    assert np.abs(sound[: 48_000 * 9 // 10]).max() < 0.01 < 0.05 < np.abs(sound[48_000 * 11 // 10 :]).mean()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_shape_of_pixels_is_kept(tmp_path: Path, suffix: str):
    source, out = tmp_path / "in.mp4", tmp_path / f"out{suffix}"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.codec_context.sample_aspect_ratio = 64, 48, Fraction(64, 45)
        container.mux(video.encode(av.VideoFrame.from_ndarray(picture(0, (64, 48)), format="rgb24")))
        container.mux(video.encode(None))

    convert(source, out)
    convert(source, tmp_path / "frames")

    with Clip(out) as clip:
        assert clip.pixel_aspect == Fraction(64, 45) and clip.size == (64, 48)
    convert(source, tmp_path / "out.webm")
    with Clip(tmp_path / "out.webm") as clip:
        assert clip.pixel_aspect == 1 and clip.size == (91, 48), "WebM is written with square pixels"
    assert (tmp_path / "frames" / "000000.png").stat().st_size > 0


def test_a_full_disk_is_the_outputs_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = make_clip(tmp_path / "in.mp4")
    monkeypatch.setattr("clients.media.writer.file_url", lambda path: "file:/dev/full")

    with pytest.raises(MVStylizerError, match=r"out\.mp4 cannot be written: No space left"):
        convert(source, tmp_path / "out.mp4")

    assert list(tmp_path.iterdir()) == [source]
