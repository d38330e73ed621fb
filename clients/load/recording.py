"""A clip that is encoded once. Clients that send its frames as they are cost next to nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from clients.load.vp8_layers import base_distance, encode, intra_distance
from clients.media.clip import Clip, upright
from clients.media.geometry import resized
from pipeline.contract.errors import BadSetting
from pipeline.contract.frame_strip import stamp
from pipeline.contract.image_codec import decode_image
from pipeline.key_frames.picker import thumbnail_of
from pipeline.key_frames.selector import is_cut
from pipeline.styles.catalog import shipped

#: Frames of a recording. So many have ids that are close enough to each other for a gateway which gets every twelfth
#: frame only. The number is prime, so that key frames at any even distance use all frames before one comes again.
FRAMES = 1321
#: Pictures of a recording, at most. Forwards and backwards they make 440 frames; three such rounds and one frame more
#: make FRAMES, so that there is no jump where the recording begins anew.
PICTURES = 221


@dataclass(frozen=True, slots=True)
class Recording:
    """VP8 frames with ids in their strips, to be played in a loop.

    The ids are spread evenly over all 65536, so that the step from the last frame to the first is like any other.
    """

    size: tuple[int, int]  # width and height of the picture, without its strip
    fps: int
    packets: tuple[bytes, ...]
    cuts: frozenset[int] = frozenset()  # places in `packets` of frames that begin another scene

    def step(self, pace_fps: float) -> int:
        """Every how many frames one is sent at this pace.

        No frame can be decoded without the base layer's, which come at a rate of their own. So more frames may be sent
        than the pace says, but never fewer.
        """
        distance = base_distance(self.fps)
        return max(n for n in range(1, distance + 1) if n == 1 or (distance % n == 0 and self.fps / n >= pace_fps))

    def is_needed(self, index: int) -> bool:
        """Whether other frames are predicted from this one."""
        return self._place(index) % base_distance(self.fps) == 0

    def is_at(self, index: int, step: int) -> bool:
        """Whether this frame is one of each `step`."""
        return self._place(index) % step == 0

    def begins_scene(self, index: int) -> bool:
        return self._place(index) in self.cuts

    def next_intra(self, index: int) -> int:
        """The next index, or this one, of an intra frame."""
        place, distance = self._place(index), intra_distance(self.fps)
        return index + min(-(-place // distance) * distance, len(self.packets)) - place

    def packet(self, index: int) -> bytes:
        return self.packets[self._place(index)]

    def frame_id(self, index: int) -> int:
        """The id of the frame that is sent as number `index`, counted from 0 on through all rounds of the loop."""
        return _spread(self._place(index), len(self.packets))

    def _place(self, index: int) -> int:
        return index % len(self.packets)


def _spread(index: int, count: int) -> int:
    return index * 65536 // count


def record(path: Path | None, size: tuple[int, int], *, fps: int = 30, frames: int = FRAMES) -> Recording:
    """Record the beginning of a clip, forwards and then backwards, so that the loop has no jump.

    `size` is (width, height), both even. Without a path the recording is a pan across a shipped style's photo. Raises
    BadSetting if the clip has fewer than two frames.
    """
    most = min(PICTURES, frames // 2 + 1)
    pictures = _pan(size, most) if path is None else list(islice(_read(path, size), most))
    if len(pictures) < 2:
        raise BadSetting(f"{path} has no two frames of video.")
    return record_pictures(pictures, fps=fps, frames=frames)


def record_pictures(pictures: list[np.ndarray], *, fps: int = 30, frames: int = FRAMES) -> Recording:
    """Record two pictures or more, RGB uint8 [H, W, 3] with even sides, forwards and then backwards."""
    size = pictures[0].shape[1], pictures[0].shape[0]
    there_and_back = pictures + pictures[-2:0:-1]
    shown = [i % len(there_and_back) for i in range(frames)]
    stamped = (stamp(there_and_back[picture], _spread(i, frames)) for i, picture in enumerate(shown))
    return Recording(size, fps, tuple(encode(stamped, fps)), frozenset(_cuts(there_and_back, shown)))


def _cuts(pictures: Sequence[np.ndarray], shown: Sequence[int]) -> Iterator[int]:
    """Which places begin another scene, when these pictures are shown in this order, again and again."""
    thumbnails = [thumbnail_of(av.VideoFrame.from_ndarray(picture, format="rgb24")) for picture in pictures]
    return (i for i, now in enumerate(shown) if is_cut(thumbnails[shown[i - 1]], thumbnails[now]))


def _read(path: Path, size: tuple[int, int]) -> Iterator[np.ndarray]:
    with Clip(path) as clip:
        for frame in clip.frames():
            yield resized(upright(frame), size)


def _pan(size: tuple[int, int], frames: int) -> list[np.ndarray]:
    """Views of one photo from its left end to its right end, each RGB uint8 H W 3."""
    width, height = size
    photo = decode_image(shipped()[0].jpeg)
    scale = max(1.5 * width / photo.shape[1], height / photo.shape[0])
    wide = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:height]
    lefts = np.linspace(0, wide.shape[1] - width, frames).astype(int)
    return [np.ascontiguousarray(wide[:, left : left + width]) for left in lefts]
