"""A clip that is encoded once, for clients that cost next to nothing: they send its frames as they are."""

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

#: Frames of a recording, a prime: key frames at any even distance visit all its frames before they repeat one.
FRAMES = 449
#: An intra frame every three seconds, to begin again from when one is asked for.
WHOLE_EVERY = 90
#: What browsers send after their first seconds of 640x360, and at most of anything.
BITS_PER_PIXEL, MOST_BITS_PER_S = 0.13, 2_500_000


@dataclass(frozen=True, slots=True)
class Recording:
    """VP8 frames, stamped, that can be played round and round.

    Their ids are spread over the whole circle of 65536, so that the first one follows the last one as any other.
    """

    size: tuple[int, int]  # of the picture, without its strip
    fps: int
    packets: tuple[bytes, ...]

    def frame_id(self, index: int) -> int:
        """Of the frame sent as number `index`, from 0, however often it has gone round."""
        return _spread(index % len(self.packets), len(self.packets))


def _spread(index: int, count: int) -> int:
    return index * 65536 // count


def record(path: Path | None, size: tuple[int, int], *, fps: int = 30, frames: int = FRAMES) -> Recording:
    """The beginning of a clip, forth and back, so that nothing jumps where it begins again; raises BadSetting.

    `size` is (width, height), even. None for a path: a pan across a style's photo.
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
    """Views of one photo, RGB uint8 [H, W, 3] each, from its left end to its right one."""
    width, height = size
    photo = decode_image(shipped()[0].jpeg)
    scale = max(1.5 * width / photo.shape[1], height / photo.shape[0])
    wide = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:height]
    lefts = np.linspace(0, wide.shape[1] - width, frames).astype(int)
    return [np.ascontiguousarray(wide[:, left : left + width]) for left in lefts]


def _encode(pictures: Iterable[np.ndarray], size: tuple[int, int], fps: int) -> Iterator[bytes]:
    """One packet a picture, as a browser's encoder makes them: no frame waits for another one."""
    codec = av.CodecContext.create("libvpx", "w")
    codec.pix_fmt, codec.time_base = "yuv420p", fractions.Fraction(1, fps)
    codec.thread_count = 1  # more of them wait for each other in a loop: eight times the work
    codec.gop_size = WHOLE_EVERY
    codec.bit_rate = round(min(MOST_BITS_PER_S, size[0] * size[1] * fps * BITS_PER_PIXEL))
    codec.options = {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "static-thresh": "1"}
    for number, picture in enumerate(pictures):
        if number == 0:
            codec.height, codec.width = picture.shape[:2]
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        yield b"".join(bytes(packet) for packet in codec.encode(frame))
