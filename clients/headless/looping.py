"""Plays a file again and again: each round begins where the one before has ended."""

from collections.abc import Callable, Iterator
from fractions import Fraction

import av

from clients.headless.joined import Joined
from clients.media.clip import Clip


def looped(clip: Clip, on_packet: Callable[[av.Packet], None]) -> Iterator[av.VideoFrame]:
    """The frames of a file's rounds, and its packets of sound for `on_packet`, with times that go on.

    They end after the clip's `seconds`. The clip stays its owner's; the later rounds open the file again.
    """
    joined = Joined(clip, on_packet)
    yield from joined.part(clip, Fraction(0))
    while joined.end_s < clip.seconds:
        with Clip(clip.source.place, seconds=clip.seconds - float(joined.end_s)) as again:
            yield from joined.part(again, joined.end_s)
