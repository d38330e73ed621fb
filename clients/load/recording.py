"""A clip that is encoded once. Clients that send its frames as they are cost next to nothing."""

import fractions
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from clients.media.clip import Clip, upright
from clients.media.geometry import resized
from pipeline.contract.errors import BadSetting
from pipeline.contract.frame_strip import stamp
from pipeline.contract.image_codec import decode_image
from pipeline.styles.catalog import shipped

#: Frames of a recording. The number is prime, so that key frames at any even distance use all frames before one comes
#: again.
FRAMES = 449
#: Frames from one intra frame to the next: three seconds. Sending goes on from one when the receiver asks for it.
INTRA_EVERY = 90
#: The bit rate that browsers reach for 640x360 after their first seconds, and the most that we send of any size.
BITS_PER_PIXEL, MOST_BITS_PER_S = 0.13, 2_500_000


@dataclass(frozen=True, slots=True)
class Recording:
    """VP8 frames with ids in their strips, to be played in a loop.

    The ids are spread evenly over all 65536, so that the step from the last frame to the first is like any other.
    """

    size: tuple[int, int]  # width and height of the picture, without its strip
    fps: int
    packets: tuple[bytes, ...]

    def frame_id(self, index: int) -> int:
        """The id of the frame that is sent as number `index`, counted from 0 on through all rounds of the loop."""
        return _spread(index % len(self.packets), len(self.packets))


def _spread(index: int, count: int) -> int:
    return index * 65536 // count


def record(path: Path | None, size: tuple[int, int], *, fps: int = 30, frames: int = FRAMES) -> Recording:
    """Record the beginning of a clip, forwards and then backwards, so that the loop has no jump.

    `size` is (width, height), both even. Without a path the recording is a pan across a shipped style's photo. Raises
    BadSetting if the clip has fewer than two frames.
    """
    pictures = _pan(size, frames // 2 + 1) if path is None else list(islice(_read(path, size), frames // 2 + 1))
    there_and_back = pictures + pictures[-2:0:-1]
    if len(there_and_back) < 2:
        raise BadSetting(f"{path} has no two frames of video.")
    stamped = (stamp(there_and_back[i % len(there_and_back)], _spread(i, frames)) for i in range(frames))
    return Recording(size, fps, tuple(_encode(stamped, size, fps)))


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


def _encode(pictures: Iterable[np.ndarray], size: tuple[int, int], fps: int) -> Iterator[bytes]:
    """One packet per picture, encoded as a browser does it: no frame waits for a later one."""
    codec = av.CodecContext.create("libvpx", "w")
    codec.pix_fmt, codec.time_base = "yuv420p", fractions.Fraction(1, fps)
    codec.thread_count = 1  # several threads wait for each other in a busy loop: eight times the work
    codec.gop_size = INTRA_EVERY
    codec.bit_rate = round(min(MOST_BITS_PER_S, size[0] * size[1] * fps * BITS_PER_PIXEL))
    codec.options = {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "static-thresh": "1"}
    for number, picture in enumerate(pictures):
        if number == 0:
            codec.height, codec.width = picture.shape[:2]
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        yield b"".join(bytes(packet) for packet in codec.encode(frame))
