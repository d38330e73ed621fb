"""The one writer of videos. An output appears complete at the end or, after an error or Ctrl-C, not at all."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Protocol

import av
import cv2
import numpy as np
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.video.reformatter import ColorRange, Colorspace

from clients.feeds.inputs import STANDARD_STREAM, shown
from clients.media.clip import Clip, upright_alpha
from clients.media.encoding import HARDWARE_PLANES, PLANES, Encoding, VideoEncoder, encoder_for
from clients.media.geometry import pixel_aspect_at, resized, square_size
from clients.media.names import choices, file_url, renamed_at_the_end
from clients.media.tags import copied, kept, moved
from clients.media.tracks import CopiedTrack, SoundTrack, SubtitleTrack, Track
from pipeline.contract.errors import BadSetting, MVStylizerError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Container:
    """The encoders for files with one suffix. Sound and subtitles are encoded only if they cannot be copied."""

    muxer: str
    video: str
    sound: str
    subtitles: str
    options: dict[str, str]


MP4 = Container("mp4", "libx264", "aac", "mov_text", {"movflags": "faststart"})
#: The option keeps the tracks' flags, which the muxer would change.
MKV = Container("matroska", "libx264", "aac", "subrip", {"default_mode": "passthrough"})
CONTAINERS = {
    ".mp4": MP4,
    ".mov": replace(MP4, muxer="mov"),
    ".mkv": MKV,
    ".webm": replace(MKV, muxer="webm", video="libvpx-vp9", sound="libopus", subtitles="webvtt"),
}
#: Files whose pixels must be square: VP9 does not store the shape of pixels, and PyAV does not put it in the container.
ONLY_SQUARE = (".webm",)
#: With halved chroma, these have no odd sizes.
FULL_CHROMA_AT_ODD_SIZES = ("libx264", "libx265")


class Output(Protocol):
    """Takes every frame once, in order, and packets of other tracks as they come."""

    def blank(self) -> av.VideoFrame | None:
        """An empty frame of the output's size with three planes in BT.709, or None if the output takes RGB only."""

    def write(self, picture: np.ndarray | av.VideoFrame, frame: av.VideoFrame) -> None:
        """Write a picture at the time of the frame that it was made from.

        It is RGB uint8 H W 3 of the output's size, or a frame that was blank.
        """

    def packet(self, packet: av.Packet) -> None:
        """Take a packet of another track. This may be called in any one thread."""

    def close(self) -> None: ...

    def abandon(self) -> None: ...


class VideoFile:
    """A video file. Its times are the clip's own, so that a variable frame rate stays variable."""

    def __init__(
        self, path: Path, clip: Clip, size: tuple[int, int], encoding: Encoding = Encoding(), *, name: Path
    ) -> None:
        """`name` is what messages call the file."""
        self._name = name
        self._kind = CONTAINERS[name.suffix.lower()]
        self._muxing = Lock()
        with self._blamed():
            self._container = av.open(file_url(path), "w", format=self._kind.muxer, options=self._kind.options)
            self._container.metadata.update(kept(clip.source.container.metadata))
            self._container.set_chapters(moved(clip.source.container.chapters(), clip.start_s))
            self._video, self._size = self._video_stream(clip, size, encoder_for(encoding, self._kind.video)), size
            self._tracks = dict(self._other_tracks(clip))
            self._container.start_encoding()  # already now, because it fails if the file cannot be written
        self._pts = -1
        self._durations: dict[int, int] = {}  # by pts, of frames that are being encoded

    def _video_stream(self, clip: Clip, size: tuple[int, int], encoder: VideoEncoder) -> av.VideoStream:
        try:
            stream = self._container.add_stream(encoder.name, rate=clip.rate, options=encoder.options)
        except ValueError:
            raise BadSetting(f"{shown(self._name)} cannot hold what --encoder {encoder.name} writes.") from None
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = encoder.pixel_format
        if encoder.name in FULL_CHROMA_AT_ODD_SIZES and (size[0] % 2 or size[1] % 2):
            stream.pix_fmt = "yuv444p"
        context = stream.codec_context
        context.time_base = clip.time_base
        context.sample_aspect_ratio = pixel_aspect_at(size, clip.size, clip.pixel_aspect).limit_denominator(65_535)
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = clip.colour_tags
        copied(clip.source.video, stream)
        try:
            context.open(strict=False)
        except (av.FFmpegError, OSError) as error:
            raise BadSetting(
                f"The encoder {encoder.name} does not start on this machine with {_listed(encoder.options)}: "
                f"{error.strerror}. Take other values of --crf and --preset, or another --encoder."
            ) from error
        return stream

    def _other_tracks(self, clip: Clip) -> Iterator[tuple[int, Track]]:
        source = clip.source
        covers = source.covers if self._kind.muxer in ("mp4", "mov") else []
        for stream in [*source.sounds, *source.subtitles, *covers]:
            try:
                yield stream.index, self._track(stream)
            except (ValueError, av.FFmpegError) as error:
                logger.warning("%s: track %d is left out: %s", self._name, stream.index, error)
        for attachment in source.container.streams.attachments if self._kind.muxer == "matroska" else ():
            self._container.add_stream_from_template(attachment)  # fonts

    def _track(self, stream: Stream) -> Track:
        try:
            return CopiedTrack(stream, self._container, self._mux)
        except ValueError:  # a codec that this container does not take
            if isinstance(stream, SubtitleStream):
                return SubtitleTrack(stream, self._kind.subtitles, self._container, self._mux)
            if not isinstance(stream, av.AudioStream):
                raise
            return SoundTrack(stream, self._kind.sound, self._container, self._mux)

    def blank(self) -> av.VideoFrame | None:
        return av.VideoFrame(*self._size, PLANES) if self._video.pix_fmt in (PLANES, HARDWARE_PLANES) else None

    def write(self, picture: np.ndarray | av.VideoFrame, frame: av.VideoFrame) -> None:
        assert frame.pts is not None, "the clip sets it"
        self._pts = max(frame.pts, self._pts + 1)
        coded = self._from_planes(picture) if isinstance(picture, av.VideoFrame) else self._from_rgb(picture)
        coded.pts, coded.time_base = self._pts, self._video.codec_context.time_base
        self._durations[self._pts] = frame.duration
        self._mux_video(coded)

    def _from_planes(self, picture: av.VideoFrame) -> av.VideoFrame:
        return picture if self._video.pix_fmt == PLANES else picture.reformat(format=self._video.pix_fmt)

    def _from_rgb(self, rgb: np.ndarray) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format=self._video.pix_fmt, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )

    def _mux_video(self, coded: av.VideoFrame | None) -> None:
        with self._blamed():
            for packet in self._video.encode(coded):
                packet.duration = self._durations.pop(packet.pts or 0, 0)
                self._mux(packet)

    def _mux(self, packet: av.Packet) -> None:
        with self._muxing:
            self._container.mux(packet)

    def packet(self, packet: av.Packet) -> None:
        if track := self._tracks.get(packet.stream_index):
            with self._blamed():
                track.write(packet)

    def close(self) -> None:
        self._mux_video(None)
        with self._blamed():
            for track in self._tracks.values():
                track.close()
            self._container.close()

    def abandon(self) -> None:
        with suppress(av.FFmpegError, OSError):
            self._container.close()

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Blame the output for errors in here; the tracks handle those of the input."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise MVStylizerError(f"{shown(self._name)} cannot be written: {error.strerror or error}.") from error


class FrameFolder:
    """A folder of 000000.png, 000001.png, …: lossless and with alpha, but without sound and times."""

    def __init__(self, path: Path) -> None:
        self._path, self._count = path, 0
        path.mkdir()

    def blank(self) -> av.VideoFrame | None:
        return None

    def write(self, picture: np.ndarray | av.VideoFrame, frame: av.VideoFrame) -> None:
        assert isinstance(picture, np.ndarray), "no frame was blank"
        bgr, alpha = picture[..., ::-1], upright_alpha(frame)
        if alpha is not None:
            bgr = np.dstack((bgr, resized(alpha, (bgr.shape[1], bgr.shape[0]))))
        (self._path / f"{self._count:06}.png").write_bytes(cv2.imencode(".png", bgr)[1].tobytes())
        self._count += 1

    def packet(self, packet: av.Packet) -> None:
        pass

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


def _listed(options: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())


def is_video(path: Path) -> bool:
    """Whether an output of this name is a video; otherwise it is a folder of frames."""
    return path.suffix.lower() in CONTAINERS


def usual_size(path: Path, clip: Clip) -> tuple[int, int]:
    """The size (width, height) of an output at `path`: the clip's, with square pixels if no others can be stored."""
    keeps_shape = is_video(path) and path.suffix.lower() not in ONLY_SQUARE
    return clip.size if keeps_shape else square_size(clip.size, clip.pixel_aspect)


def check_video_name(path: Path, *, or_folder: bool = False) -> None:
    """Raise BadSetting for other suffixes, and for `-`: a pipe cannot be complete or not there at all."""
    if path == STANDARD_STREAM:
        raise BadSetting("The output cannot be -, standard output: it is complete or not there at all. Name a file.")
    if not is_video(path) and not (or_folder and (path.is_dir() or not path.suffix)):
        raise BadSetting(f"{shown(path)} must end in {choices(CONTAINERS)}{', or be a folder' if or_folder else ''}.")


@contextmanager
def writing(path: Path, clip: Clip, size: tuple[int, int], encoding: Encoding = Encoding()) -> Iterator[Output]:
    """The output at `path`, which appears there complete or, after an error or Ctrl-C, not at all.

    With a suffix of CONTAINERS it is a video, else a folder of frames. An old output is replaced at the end. Raises
    BadSetting if it cannot be encoded so, and MVStylizerError if it cannot be written.
    """
    with renamed_at_the_end(path) as unfinished:
        output = VideoFile(unfinished, clip, size, encoding, name=path) if is_video(path) else FrameFolder(unfinished)
        try:
            yield output
            output.close()
        except BaseException:
            output.abandon()
            raise
