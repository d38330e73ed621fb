"""The one writer of videos. A file appears complete at the end or, after an error or Ctrl-C, not at all.

What goes to somebody who watches, to a pipe, an address or a virtual camera, is written at once.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Protocol

import av
import cv2
import numpy as np
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.video.reformatter import ColorRange, Colorspace

from clients.feeds.ended_by_signals import ended_by_signals
from clients.feeds.outputs import Target
from clients.feeds.virtual_camera import VirtualCamera
from clients.media.clip import Clip, upright_alpha
from clients.media.encoding import HARDWARE_PLANES, PLANES, Encoding, VideoEncoder, encoder_for
from clients.media.geometry import pixel_aspect_at, resized, square_size
from clients.media.names import file_url, renamed_at_the_end
from clients.media.tags import copied, kept, moved
from clients.media.tracks import CopiedTrack, SoundTrack, SubtitleTrack, Track
from pipeline.contract.errors import BadSetting, MVStylizerError

logger = logging.getLogger(__name__)

#: Containers whose pixels must be square: raw frames have nothing but pixels, VP9 does not store their shape, and PyAV
#: does not put it in the container.
ONLY_SQUARE = ("webm", "rawvideo")
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
    """A video in a container. Its times are the clip's own, so that a variable frame rate stays variable."""

    def __init__(
        self, url: str, target: Target, clip: Clip, size: tuple[int, int], encoding: Encoding = Encoding()
    ) -> None:
        """`url` is what FFmpeg opens for the target."""
        assert target.container
        self._name, self._kind = target.name, target.container
        self._muxing = Lock()
        with self._blamed():
            self._container = av.open(url, "w", format=self._kind.muxer, options=self._kind.options)
            self._container.metadata.update(kept(clip.source.container.metadata))
            self._container.set_chapters(moved(clip.source.container.chapters(), clip.start_s))
            self._video, self._size = self._video_stream(clip, size, self._encoder(encoding, size)), size
            self._tracks = dict(self._other_tracks(clip))
            with ended_by_signals() if target.kind == "network" else nullcontext():
                self._container.start_encoding()  # already now, because it fails if the file cannot be written
        self._pts = -1
        self._durations: dict[int, int] = {}  # by pts, of frames that are being encoded

    def _encoder(self, wanted: Encoding, size: tuple[int, int]) -> VideoEncoder:
        if self._kind.video == "rawvideo":
            if wanted != Encoding():
                raise BadSetting("Raw frames are not encoded: --encoder, --crf and --preset are for other formats.")
            return VideoEncoder("rawvideo", {})
        pixels = 0 if self._kind.live else size[0] * size[1]  # live, nothing is looked ahead at
        found = encoder_for(wanted, self._kind.video, pixels=pixels)
        return replace(found, options=found.options | self._kind.live) if found.name == "libx264" else found

    def _video_stream(self, clip: Clip, size: tuple[int, int], encoder: VideoEncoder) -> av.VideoStream:
        try:
            stream = self._container.add_stream(encoder.name, rate=clip.rate, options=encoder.options)
        except ValueError:
            raise BadSetting(f"{self._name} cannot hold what --encoder {encoder.name} writes.") from None
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = self._kind.pixels or encoder.pixel_format
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
        covers = source.covers if self._kind.muxer in ("mp4", "mov") and self._kind.subtitles else []
        sounds = source.sounds if self._kind.subtitles else source.sounds[:1] if self._kind.sound else []
        for stream in [*sounds, *(source.subtitles if self._kind.subtitles else []), *covers]:
            try:
                yield stream.index, self._track(stream)
            except (ValueError, av.FFmpegError) as error:
                logger.warning("%s: track %d is left out: %s", self._name, stream.index, error)
        for attachment in source.container.streams.attachments if self._kind.muxer == "matroska" else ():
            self._container.add_stream_from_template(attachment)  # fonts

    def _track(self, stream: Stream) -> Track:
        codecs = self._kind.copied_sounds
        try:
            if isinstance(stream, av.AudioStream) and codecs and stream.codec_context.name not in codecs:
                raise ValueError("players of this container know few codecs")
            if self._kind.live and self._kind.muxer != "mpegts" and is_headless_aac(stream):
                raise ValueError("who watches must know the sound's parameters before it comes")
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
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        if self._kind.pixels:
            return frame.reformat(format=self._kind.pixels)
        return frame.reformat(
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
            raise MVStylizerError(f"{self._name} cannot be written: {error.strerror or error}.") from error


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


def is_headless_aac(stream: Stream) -> bool:
    """Whether it is AAC as in transport streams, whose parameters stand in each packet, and in no header."""
    context = stream.codec_context
    return isinstance(stream, av.AudioStream) and context.name == "aac" and not context.extradata


def _listed(options: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())


def usual_size(target: Target, clip: Clip) -> tuple[int, int]:
    """The size (width, height) of an output: the clip's, with square pixels if no others can be stored."""
    container = target.container
    keeps_shape = container and container.muxer not in ONLY_SQUARE
    return clip.size if keeps_shape else square_size(clip.size, clip.pixel_aspect)


@contextmanager
def writing(target: Target, clip: Clip, size: tuple[int, int], encoding: Encoding = Encoding()) -> Iterator[Output]:
    """The output, which is complete at the end. After an error or Ctrl-C, a file or folder is as it was before.

    Raises BadSetting if it cannot be encoded so, and MVStylizerError if it cannot be written.
    """
    with ExitStack() as stack:
        output = _output(target, clip, size, encoding, stack)
        try:
            yield output
            output.close()
        except BaseException:
            output.abandon()
            raise


def _output(target: Target, clip: Clip, size: tuple[int, int], encoding: Encoding, stack: ExitStack) -> Output:
    if target.kind == "camera":
        return VirtualCamera(target, size, clip.rate)
    if target.path is None:
        return VideoFile(target.url, target, clip, size, encoding)
    unfinished = stack.enter_context(renamed_at_the_end(target.path))
    if target.kind == "folder":
        return FrameFolder(unfinished)
    return VideoFile(file_url(unfinished), target, clip, size, encoding)
