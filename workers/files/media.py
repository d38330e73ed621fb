"""Video files: upright RGB frames in, pictures and sound out, and no half-written output ever."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from shutil import rmtree
from typing import Protocol

import av
import cv2
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from pipeline.contract.errors import BadSetting, MVStylizerError
from pipeline.key_frames.picker import planes

logger = logging.getLogger(__name__)

#: Suffix -> (video encoder, its options, what sound becomes where the container does not take the source's).
CONTAINERS = {
    ".mp4": ("libx264", {"crf": "18", "preset": "veryfast"}, "aac"),
    ".mov": ("libx264", {"crf": "18", "preset": "veryfast"}, "aac"),
    ".mkv": ("libx264", {"crf": "18", "preset": "veryfast"}, "aac"),
    ".webm": ("libvpx-vp9", {"crf": "24", "deadline": "realtime", "cpu-used": "5", "row-mt": "1"}, "libopus"),
}
HD_ROWS = 720  # players take video without a colour tag for BT.601 below, for BT.709 from here on
UNKNOWN_MATRIX = 2  # AVCOL_SPC_UNSPECIFIED
SOUND_RATE_HZ = 48_000  # every encoder takes it
PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")  # a plane of 8-bit luma comes first
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class Clip:
    """A video file being read once, from its first frame to its last."""

    def __init__(self, path: Path) -> None:
        """Raises BadSetting where there is no file or no video in it."""
        self.path = path
        if not path.is_file():
            raise BadSetting(f"{path} is not a file.")
        try:
            self._container = av.open(str(path))
            self.video = next(s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic)
        except (av.FFmpegError, OSError, StopIteration):
            raise BadSetting(f"{path} is not a readable video file.") from None
        self.video.thread_type = "AUTO"
        self.sounds = [stream for stream in self._container.streams.audio if stream.codec_context]

    def __enter__(self) -> "Clip":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self.video.average_rate or self.video.guessed_rate or Fraction(30)

    @property
    def length(self) -> int | None:
        """The number of frames as far as the file tells it."""
        if self.video.frames or not self._container.duration:
            return self.video.frames or None
        return round(self._container.duration / av.time_base * self.rate)

    def frames(self, on_sound: Callable[[av.Packet], None]) -> Iterator[av.VideoFrame]:
        """Decoded frames in order of display; sound packets go to on_sound as they come between them."""
        for packet in self._packets():
            if packet.stream.type == "audio":
                on_sound(packet)
            else:
                yield from self._decoded(packet)

    def _packets(self) -> Iterator[av.Packet]:
        try:
            yield from self._container.demux(self.video, *self.sounds)
        except (av.FFmpegError, OSError) as error:
            raise BadSetting(f"{self.path} cannot be read to its end: {error.strerror}.") from error

    def _decoded(self, packet: av.Packet) -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except av.FFmpegError:
            logger.warning("%s: a damaged frame is left out", self.path)
            return []


def displayed_size(path: Path) -> tuple[int, int]:
    """Width and height of a video as it is shown, taken from its first frame; raises BadSetting if there is none."""
    with Clip(path) as clip:
        first = next(clip.frames(lambda packet: None), None)
        if first is None:
            raise BadSetting(f"{path} holds no video frame that can be decoded.")
        return upright(first).shape[1::-1]


def upright(frame: av.VideoFrame) -> np.ndarray:
    """RGB uint8 H W 3, turned as the file's rotation says."""
    matrix = frame.colorspace
    if matrix == UNKNOWN_MATRIX:
        matrix = Colorspace.ITU709 if frame.height >= HD_ROWS else Colorspace.ITU601
    rgb = frame.to_ndarray(format="rgb24", src_colorspace=matrix)
    return _turned(rgb, frame)


def _turned(picture: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    turn = TURNS.get(round(frame.rotation) % 360)
    return picture if turn is None else cv2.rotate(picture, turn)


def upright_luma(frame: av.VideoFrame) -> np.ndarray:
    """Uint8 H W in the file's own range, turned as the file's rotation says."""
    luma = planes(frame if frame.format.name in PLANAR else frame.reformat(format="yuv420p"))[0]
    return _turned(luma, frame)


def resized(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """RGB uint8 at size (width, height)."""
    if rgb.shape[1::-1] == size:
        return rgb
    smaller = size[0] < rgb.shape[1]
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


class Output(Protocol):
    """Takes every frame once, in order, and the sound packets as they come."""

    def write(self, rgb: np.ndarray, pts: int | None) -> None: ...

    def sound(self, packet: av.Packet) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...


class VideoFile:
    """A video under its final codec; times are the clip's own, so a variable frame rate stays one."""

    def __init__(self, path: Path, clip: Clip, size: tuple[int, int]) -> None:
        codec, options, self._sound_codec = CONTAINERS[path.suffix.lower()]
        starts_fast = {"movflags": "faststart"} if codec == "libx264" and path.suffix.lower() != ".mkv" else {}
        self._container = av.open(str(path), "w", options=starts_fast)
        self._video = self._container.add_stream(codec, rate=clip.rate, options=options)
        self._video.width, self._video.height = size
        if codec == "libx264" and (size[0] % 2 or size[1] % 2):
            self._video.pix_fmt = "yuv444p"  # H.264 has no odd sizes with halved chroma
        context = self._video.codec_context
        context.time_base = clip.video.time_base
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        self._step = max(1, round(1 / (clip.rate * clip.video.time_base)))
        self._pts = -self._step
        self._sounds = {stream.index: self._sound_stream(stream) for stream in clip.sounds}

    def _sound_stream(self, source: av.AudioStream) -> av.AudioStream:
        try:
            if self._container.format.name == "mp4" and source.codec_context.name.startswith("pcm"):
                raise ValueError("few players take it, and FFmpeg only where the source names its channels")
            return self._container.add_stream_from_template(source)
        except ValueError:  # a codec that this container does not take
            layout = "mono" if source.channels == 1 else "stereo"
            return self._container.add_stream(self._sound_codec, rate=SOUND_RATE_HZ, layout=layout)

    def write(self, rgb: np.ndarray, pts: int | None) -> None:
        self._pts = self._pts + self._step if pts is None else max(pts, self._pts + 1)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame = frame.reformat(format=self._video.pix_fmt, dst_colorspace=Colorspace.ITU709)
        frame.pts, frame.time_base = self._pts, self._video.codec_context.time_base
        self._container.mux(self._video.encode(frame))

    def sound(self, packet: av.Packet) -> None:
        """Copied where source and output have the same codec, else decoded and encoded anew."""
        stream = self._sounds[packet.stream.index]
        if stream.codec_context.is_encoder:
            for frame in packet.decode():
                self._container.mux(stream.encode(frame))
        elif packet.dts is not None:  # else it is the end mark, which only decoders need
            packet.stream = stream
            self._container.mux(packet)

    def close(self) -> None:
        self._container.mux(self._video.encode(None))
        for stream in self._sounds.values():
            if stream.codec_context.is_encoder:
                self._container.mux(stream.encode(None))
        self._container.close()

    def abandon(self) -> None:
        with suppress(av.FFmpegError, OSError):
            self._container.close()


class FrameFolder:
    """000000.png, 000001.png, ...: lossless, without sound and times."""

    def __init__(self, path: Path) -> None:
        self._path, self._count = path, 0
        path.mkdir()

    def write(self, rgb: np.ndarray, pts: int | None) -> None:
        (self._path / f"{self._count:06}.png").write_bytes(cv2.imencode(".png", rgb[..., ::-1])[1])
        self._count += 1

    def sound(self, packet: av.Packet) -> None:
        pass

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


@contextmanager
def writing(path: Path, clip: Clip, size: tuple[int, int]) -> Iterator[Output]:
    """The output at path, which appears there complete or, after any error or Ctrl-C, not at all.

    A known suffix makes a video, else path is a folder. What was there before is replaced.
    """
    with renamed_at_the_end(path) as unfinished:
        video = path.suffix.lower() in CONTAINERS
        output = VideoFile(unfinished, clip, size) if video else FrameFolder(unfinished)
        try:
            yield output
        except BaseException:
            output.abandon()
            raise
        output.close()


@contextmanager
def renamed_at_the_end(path: Path) -> Iterator[Path]:
    """A temporary name beside path; renamed to it on success, removed on any error or Ctrl-C."""
    target = path.resolve()  # a link stays one
    unfinished = target.with_name(f".mvstylizer-{os.getpid()}{target.suffix}")  # short: names have 255 bytes
    try:
        yield unfinished
        _replace(target, unfinished)
    except (av.FFmpegError, OSError) as error:
        raise MVStylizerError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        rmtree(unfinished) if unfinished.is_dir() else unfinished.unlink(missing_ok=True)


def _replace(path: Path, finished: Path) -> None:
    """A folder keeps what is not a frame; its old frames make room."""
    if not path.is_dir():
        finished.replace(path)
        return
    for old in path.glob("[0-9]" * 6 + ".png"):
        old.unlink()
    for new in finished.iterdir():
        new.replace(path / new.name)
