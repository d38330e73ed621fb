"""Which frames of a file are key frames."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import av
from av.video.frame import PictureType

from pipeline.key_frames.picker import thumbnail_of
from pipeline.key_frames.selector import FrameThumbnail, KeyFrameSelector, is_cut

MAX_INTERVAL = 120  # frames between key frames wait in memory: 370 MB of them at 1920x1080

#: (frame, its thumbnail, frames since the last key frame) -> whether it is one. Called for every frame but the first.
Choice = Callable[[av.VideoFrame, FrameThumbnail, int], bool]


@dataclass(frozen=True, slots=True)
class Marked:
    frame: av.VideoFrame
    index: int
    key: bool
    cut: bool  # a new scene begins


def fixed(interval: int) -> Choice:
    """Every so many frames."""
    return lambda frame, thumbnail, since: since >= interval


def by_content(interval: int) -> Choice:
    """As the gateway picks them for a stream, with at most `interval` frames between."""
    selector, now = KeyFrameSelector.for_file(interval), count()
    return lambda frame, thumbnail, since: selector.decide(now=next(now), thumbnail=thumbnail) is not None


def by_codec(interval: int) -> Choice:
    """The frames that the file itself holds whole, whatever the interval."""
    return lambda frame, thumbnail, since: frame.pict_type == PictureType.I


CHOICES: dict[str, Callable[[int], Choice]] = {"fixed": fixed, "content": by_content, "codec": by_codec}


def marked(frames: Iterable[av.VideoFrame], choice: Choice) -> Iterator[Marked]:
    """Every frame; key frames are the first of each scene, the chosen ones, and one in MAX_INTERVAL at least."""
    before, since = None, 0
    for index, frame in enumerate(frames):
        thumbnail = thumbnail_of(frame)
        cut = before is not None and is_cut(before, thumbnail)
        chosen = choice(frame, thumbnail, since)
        key = chosen or cut or before is None or since >= MAX_INTERVAL
        yield Marked(frame, index, key, cut)
        before, since = thumbnail, 1 if key else since + 1
