"""Video files read once, from the first frame to the last: the one reader of this project."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np

from clients.media import colour, geometry
from clients.media.decoding import Decoder, deinterlaced, of_one_size
from clients.media.names import seekable, shown
from clients.media.source import Source
from clients.media.timeline import Timeline
from pipeline.contract.errors import BadSetting

#: Of a frame's time, in seconds: finer than what any container stores, so that it can be moved.
FINEST_TICK_S = Fraction(1, 10_000)


def _ignore(packet: av.Packet) -> None:
    pass


class Clip:
    """A video file. Times begin at 0 with the first frame or sound, whatever the file's own times and clocks."""

    def __init__(self, path: Path) -> None:
        """`-` is standard input. Raises BadSetting where there is no file or no video in it."""
        self.path = path
        with ExitStack() as stack:
            file = stack.enter_context(seekable(path))
            first, start_s = _beginning(file, path)
            self.source = Source(file, path)
            stack.callback(self.source.close)
            self._stack = stack.pop_all()
        self.start_s, self.time_base = start_s, fine_time_base(self.source.tick_s)
        matrix = geometry.display_matrix(first)
        self.size = tuple(geometry.upright(colour.luma(first), matrix).shape[1::-1])
        aspect = self.source.video.sample_aspect_ratio or geometry.SQUARE
        #: Width of a pixel by its height, as the picture is shown upright.
        self.pixel_aspect = 1 / aspect if geometry.is_transposed(matrix) else aspect
        #: What the colours are tagged with, once they are RGB: primaries and transfer, as FFmpeg numbers them.
        self.colour_tags = colour.tags(first)
        self.has_alpha = colour.alpha(first) is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self.source.rate

    @property
    def length(self) -> int | None:
        """The number of frames as far as the file tells it."""
        video, container = self.source.video, self.source.container
        if video.frames or not container.duration:
            return video.frames or None
        return round(container.duration / av.time_base * self.rate)

    def frames(self, on_packet: Callable[[av.Packet], None] = _ignore) -> Iterator[av.VideoFrame]:
        """Frames in order of display, of one size, pts and duration in units of time_base; to be asked for once.

        Packets of sound, subtitles and covers go to on_packet as they come between them, and an empty one at the end.
        """
        frames = _frames(self.source, Timeline(self.start_s, self.source.has_jumps), on_packet)
        for frame in of_one_size(deinterlaced(frames)):
            assert frame.pts is not None and frame.time_base is not None, "the decoder says both"
            ticks = frame.time_base / self.time_base
            frame.duration, frame.pts = round(frame.duration * ticks), round(frame.pts * ticks)
            frame.time_base = self.time_base
            yield frame


def _beginning(file: Path, name: Path) -> tuple[av.VideoFrame, Fraction]:
    """The first frame, and the file's time at which picture or sound begins."""
    source = Source(file, name)
    try:
        first = next(_frames(source, Timeline(Fraction(0), source.has_jumps), _ignore), None)
        if first is None:
            raise BadSetting(f"{shown(name)} holds no video frame that can be decoded.")
        assert first.pts is not None, "the decoder says it"
        sounds_s = [s.start_time * s.time_base for s in source.sounds if s.start_time is not None and s.time_base]
        return first, min([first.pts * source.tick_s, *sounds_s])
    finally:
        source.close()


def _frames(source: Source, timeline: Timeline, on_packet: Callable[[av.Packet], None]) -> Iterator[av.VideoFrame]:
    video = source.video
    decoder = Decoder(video, source.name, frame_ticks=round(1 / source.rate / source.tick_s))
    for packet in source.packets(timeline):
        if packet.stream is video:
            yield from decoder.decode(packet)
        else:
            on_packet(packet)


def fine_time_base(tick_s: Fraction) -> Fraction:
    """A whole fraction of this one that is no longer than FINEST_TICK_S."""
    return tick_s / -(-tick_s // FINEST_TICK_S)


def upright(frame: av.VideoFrame) -> np.ndarray:
    """RGB uint8 [H, W, 3] as a screen shows it, turned as the file says."""
    return geometry.upright(colour.to_rgb(frame), geometry.display_matrix(frame))


def upright_luma(frame: av.VideoFrame) -> np.ndarray:
    """Uint8 [H, W] in the file's own range and transfer, turned as the file says."""
    return geometry.upright(colour.luma(frame), geometry.display_matrix(frame))


def upright_alpha(frame: av.VideoFrame) -> np.ndarray | None:
    """Uint8 [H, W], 255 being opaque, turned as the file says; None for formats without."""
    alpha = colour.alpha(frame)
    return None if alpha is None else geometry.upright(alpha, geometry.display_matrix(frame))
