"""Plays a file again and again: each round begins where the one before has ended."""

from collections.abc import Callable, Generator, Iterator
from fractions import Fraction

import av

from clients.media.clip import Clip


def looped(clip: Clip, on_packet: Callable[[av.Packet], None]) -> Iterator[av.VideoFrame]:
    """The frames of a file's rounds, and its packets of sound for `on_packet`, with times that go on.

    They end after the clip's `seconds`. The clip stays its owner's; the later rounds open the file again.
    """
    end_s = yield from _round(clip, on_packet, Fraction(0))
    while end_s < clip.seconds:
        with Clip(clip.source.place, seconds=clip.seconds - float(end_s)) as again:
            end_s = yield from _round(again, on_packet, end_s)


def _round(
    clip: Clip, on_packet: Callable[[av.Packet], None], begin_s: Fraction
) -> Generator[av.VideoFrame, None, Fraction]:
    """One round, which begins at `begin_s`; returns when it ends."""

    def moved(packet: av.Packet) -> None:
        if not packet.size:  # the mark of a track's end, which comes in each round
            return
        ticks = round(begin_s / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
        on_packet(packet)

    begin, end = round(begin_s / clip.time_base), 0
    for frame in clip.frames(moved):
        assert frame.pts is not None, "the clip sets it"
        frame.pts += begin
        end = frame.pts + (frame.duration or round(1 / clip.rate / clip.time_base))
        yield frame
    return end * clip.time_base
