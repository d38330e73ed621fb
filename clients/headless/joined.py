"""Joins videos to one: the times of each part are moved, so that they go on where they should."""

from collections.abc import Callable, Iterator
from fractions import Fraction

import av

from clients.media.clip import Clip


class Joined:
    """A video of several parts, in the time base of the first one."""

    def __init__(self, first: Clip, on_packet: Callable[[av.Packet], None]) -> None:
        """`on_packet` gets the packets of all parts' sound and subtitles, as far as their tracks are the first's."""
        self.time_base, self._tracks, self._on_packet = first.time_base, _tracks(first), on_packet
        self.end_s = Fraction(0)  # of the frames so far

    def part(self, clip: Clip, begin_s: Fraction) -> Iterator[av.VideoFrame]:
        """The frames of a part that begins at `begin_s`."""
        is_alike = _tracks(clip) == self._tracks

        def moved(packet: av.Packet) -> None:
            if not is_alike or not packet.size:  # without a size it is the mark of a track's end, which each part has
                return
            ticks = round(begin_s / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
            self._on_packet(packet)

        begin, ticks = round(begin_s / self.time_base), clip.time_base / self.time_base
        for frame in clip.frames(moved):
            assert frame.pts is not None, "the clip sets it"
            frame.pts, frame.duration = begin + round(frame.pts * ticks), round(frame.duration * ticks)
            frame.time_base = self.time_base
            end = frame.pts + (frame.duration or round(1 / clip.rate / self.time_base))
            self.end_s = end * self.time_base
            yield frame


def _tracks(clip: Clip) -> list[tuple[object, ...]]:
    """What a packet must fit to be copied to the first part's track."""
    sounds = [(s.index, s.codec_context.name, s.sample_rate, s.channels) for s in clip.source.sounds]
    return [*sounds, *((s.index, s.codec_context.name) for s in clip.source.subtitles)]
