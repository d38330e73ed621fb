"""The project's one reader of videos. It reads a file, pipe, address or camera once, from the first frame on."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np

from clients.feeds.inputs import Input, find_input
from clients.media import colour, geometry
from clients.media.decoding import Decoder, deinterlaced, of_one_size
from clients.media.source import Source
from clients.media.timeline import Timeline
from pipeline.contract.errors import BadSetting
from pipeline.key_frames.frames import planes

#: The longest unit for frames' times, in seconds: finer than any container's, so that times can be moved.
FINEST_TICK_S = Fraction(1, 10_000)


def _ignore(packet: av.Packet) -> None:
    pass


class Clip:
    """A video. Its times begin at 0 with the first frame or sound, whatever the source's own times are."""

    def __init__(self, where: Input | Path | str, *, seconds: float = math.inf) -> None:
        """`where` is an input, or its name (see `find_input`). What comes after `seconds` is left out.

        Raises BadSetting if there is none, or no video in it, and MVStylizerError if a network or camera gives none.
        """
        self.seconds = seconds
        self.source = Source(where if isinstance(where, Input) else find_input(where))
        try:
            self._decoder, first, self.start_s = _beginning(self.source)
        except BaseException:
            self.source.close()
            raise
        self.time_base = fine_time_base(self.source.tick_s)
        matrix = geometry.display_matrix(first)
        self.size = tuple(geometry.upright(colour.luma(first), matrix).shape[1::-1])
        aspect = self.source.video.sample_aspect_ratio or geometry.SQUARE
        #: A pixel's width divided by its height, in the upright picture.
        self.pixel_aspect = 1 / aspect if geometry.is_transposed(matrix) else aspect
        #: The colours' primaries and transfer, as FFmpeg numbers them, after the conversion to RGB.
        self.colour_tags = colour.tags(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.source.close()

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self.source.rate

    @property
    def length(self) -> int | None:
        """The number of frames, as far as the file tells it, else None."""
        video, container = self.source.video, self.source.container
        count = video.frames or round((container.duration or 0) / av.time_base * self.rate)
        return min(count, math.ceil(min(self.seconds * self.rate, count))) or None

    def frames(self, on_packet: Callable[[av.Packet], None] = _ignore) -> Iterator[av.VideoFrame]:
        """The frames in order of display, all of one size. This can be called only once.

        Their pts and duration are in units of time_base. `on_packet` is called with packets of sound, subtitles and
        covers as they come between the frames, and with an empty packet of each such stream at the end.
        """
        timeline = Timeline(self.start_s, self.source.has_jumps)
        for frame in of_one_size(deinterlaced(self._decoded(timeline, on_packet))):
            assert frame.pts is not None and frame.time_base is not None, "the decoder sets both"
            ticks = frame.time_base / self.time_base
            frame.duration, frame.pts = round(frame.duration * ticks), round(frame.pts * ticks)
            frame.time_base = self.time_base
            if frame.time >= self.seconds:
                return
            yield frame

    def _decoded(self, timeline: Timeline, on_packet: Callable[[av.Packet], None]) -> Iterator[av.VideoFrame]:
        for packet in self.source.packets(timeline):
            if packet.stream is self.source.video:
                yield from self._decoder.decode(packet)
            elif packet.pts is None or packet.pts * packet.time_base < self.seconds:
                on_packet(packet)


def _beginning(source: Source) -> tuple[Decoder, av.VideoFrame, Fraction]:
    """The decoder, the first frame, and the source's time, in seconds, at which picture or sound begins."""
    decoder = Decoder(source.video, source.name, frame_ticks=round(1 / source.rate / source.tick_s))
    found: list[av.VideoFrame] = []

    def has_frame(packet: av.Packet) -> bool:
        found.extend(decoder.decode(packet) if packet.stream is source.video else ())
        return bool(found)

    source.beginning(has_frame)
    if not found:
        raise BadSetting(f"{source.name} holds no video frame that can be decoded.")
    decoder.begin_again()
    assert found[0].pts is not None, "the decoder sets it"
    sounds_s = [s.start_time * s.time_base for s in source.sounds if s.start_time is not None and s.time_base]
    return decoder, found[0], min([found[0].pts * source.tick_s, *sounds_s])


def fine_time_base(tick_s: Fraction) -> Fraction:
    """The longest unit of time that divides `tick_s` evenly and is not longer than FINEST_TICK_S."""
    return tick_s / -(-tick_s // FINEST_TICK_S)


def upright(frame: av.VideoFrame) -> np.ndarray:
    """A frame as RGB uint8 H W 3, as a screen shows it, turned as the file says."""
    return geometry.upright(colour.to_rgb(frame), geometry.display_matrix(frame))


def upright_luma(frame: av.VideoFrame) -> np.ndarray:
    """A frame's luma as uint8 H W, in the file's own range and transfer, turned as the file says."""
    return geometry.upright(colour.luma(frame), geometry.display_matrix(frame))


def upright_planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """The planes of a frame of three, each uint8 H W, turned as the file says."""
    matrix = geometry.display_matrix(frame)
    return [geometry.upright(plane, matrix) for plane in planes(frame)]


def upright_alpha(frame: av.VideoFrame) -> np.ndarray | None:
    """A frame's alpha as uint8 H W, where 255 is opaque, turned as the file says; None for formats without alpha."""
    alpha = colour.alpha(frame)
    return None if alpha is None else geometry.upright(alpha, geometry.display_matrix(frame))
