"""Decides which frames of a file are key frames."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from itertools import count

import av
from av.video.frame import PictureType

from pipeline.key_frames.picker import thumbnail_of
from pipeline.key_frames.selector import KeyFrameSelector
from pipeline.key_frames.thumbnail import FrameThumbnail, is_cut

MAX_INTERVAL = 120  # frames between key frames are held in memory: at 1920x1080 these are 370 MB

#: Returns whether a frame is a key frame, given the frame, its thumbnail, and the number of frames since the last key
#: frame. It is called for every frame, in order.
Choice = Callable[[av.VideoFrame, FrameThumbnail, int], bool]


@dataclass(frozen=True, slots=True)
class Marked:
    """A frame with the decision whether it is a key frame."""

    frame: av.VideoFrame
    index: int
    key: bool
    cut: bool  # a new scene begins


def fixed(interval: int) -> Choice:
    """Choose every `interval`-th frame."""
    return lambda frame, thumbnail, since: since >= interval


def by_content(interval: int) -> Choice:
    """Choose frames by their content, as the gateway does for a stream, and at least one in `interval`."""
    selector, now = KeyFrameSelector.for_file(interval), count()
    return lambda frame, thumbnail, since: selector.decide(now=next(now), thumbnail=thumbnail) is not None


def by_codec(interval: int) -> Choice:
    """Choose the file's own intra frames; `interval` is ignored."""
    return lambda frame, thumbnail, since: frame.pict_type == PictureType.I


CHOICES: dict[str, Callable[[int], Choice]] = {"fixed": fixed, "content": by_content, "codec": by_codec}


def marked(frames: Iterable[av.VideoFrame], choice: Choice) -> Generator[Marked]:
    """Yield every frame with its decision. Key frames are the chosen ones, the first of each scene, and one in
    MAX_INTERVAL at least."""
    before, since = None, 0
    for index, frame in enumerate(frames):
        thumbnail = thumbnail_of(frame)
        cut = before is not None and is_cut(before, thumbnail)
        chosen = choice(frame, thumbnail, since)
        key = chosen or cut or before is None or since >= MAX_INTERVAL
        yield Marked(frame, index, key, cut)
        before, since = thumbnail, 1 if key else since + 1
