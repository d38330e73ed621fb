"""Limits on the size of one stream's pictures, and on the memory that the decoders of all streams take.

A decoder allocates what a frame's header asks for: 159 bytes may ask for 6.7 GB.
"""

import math
import threading
import weakref
from collections.abc import MutableMapping

import av

from pipeline.basics.token_bucket import TokenBucket
from pipeline.contract.frame_strip import STRIP_ROWS
from pipeline.webrtc.media.video_header import Demand

#: No picture may have more pixels: 4096x2160 with its strip, in whole macroblocks, and some more. Phones' cameras give
#: no more than 4K as video; one such picture keeps a core busy for 40 ms.
MOST_PIXELS = 4096 * 2304
#: No side may be longer. Decoders add some 50 pixels around each picture, which multiplies the memory of a narrow one.
MOST_SIDE_PX = 4352
#: Every session may send this many pixels, whatever size it declared: after a change of camera, frames may arrive
#: before the message that declares their size.
FULL_HD_PIXELS = 1920 * 1104
#: The bytes of a pixel in 4:2:0, with the decoder's own notes on it.
PIXEL_BYTES = 1.6
#: How many pictures are held besides the references: the one being decoded, and those that may become a JPEG.
IN_HAND = 4
#: Every stream's decoder may hold this much by itself: Full HD with four references. For 32 sessions that is 0.9 GB.
OWN_BYTES = int(FULL_HD_PIXELS * PIXEL_BYTES * (4 + IN_HAND))
#: The decoders of larger pictures share this much more; it is enough for four or five streams in 4K.
SHARED_BYTES = 512 << 20
#: How often a decoder may change its size or codec, in a second and in one burst. Senders adapt every other second.
CHANGES_PER_S, CHANGES_AT_ONCE = 0.5, 12
#: Frames may be larger than declared for this long, since the message that declares the size may be lost and sent
#: again.
GRACE_S = 2.0


class StreamRefused(Exception):
    """A stream exceeds its limits and is not decoded any more; `reason` is one of metrics.STREAM_REFUSALS.

    The sentence is for the person who sends the video.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Unfit(Exception):
    """A frame is dropped, but later ones may be decoded; `reason` is one of metrics.FRAME_DROPS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def most_pixels(picture_size: tuple[int, int]) -> int:
    """Return how many pixels the frames of a stream may have that declared pictures of size (width, height).

    A frame has the strip of the frame id beside its picture. An encoder may turn both by 90 degrees.
    """
    width, height = picture_size
    upright, turned = Demand.of(width, height + STRIP_ROWS), Demand.of(width + STRIP_ROWS, height)
    return min(MOST_PIXELS, max(FULL_HD_PIXELS, upright.pixels, turned.pixels))


def needed_bytes(demand: Demand) -> int:
    """Return how much memory a decoder with this demand takes."""
    return int(demand.pixels * PIXEL_BYTES * (demand.references + IN_HAND))


class Memory:
    """Shares out the memory that decoders hold beyond OWN_BYTES each. It is safe to call from any thread."""

    def __init__(self, most: int = SHARED_BYTES) -> None:
        self._most, self._lock = most, threading.Lock()
        self._held: MutableMapping[object, int] = weakref.WeakKeyDictionary()

    def hold(self, owner: object, count: int) -> bool:
        """Reserve `count` bytes in all for `owner`, instead of what it held before; return whether there was room."""
        with self._lock:
            others = sum(self._held.values()) - self._held.get(owner, 0)
            beyond = max(0, count - OWN_BYTES)
            if beyond and others + beyond > self._most:
                return False
            self._held[owner] = beyond
            return True

    def release(self, owner: object) -> None:
        with self._lock:
            self._held.pop(owner, None)

    @property
    def held(self) -> int:
        """How many shared bytes are held by all owners together."""
        with self._lock:
            return sum(self._held.values())


class Room:
    """Decides whether one stream's decoder may allocate what its frames ask for."""

    def __init__(self, memory: Memory, now_s: float) -> None:
        self._memory = memory
        self._changes = TokenBucket(CHANGES_AT_ONCE, CHANGES_PER_S, now_s)
        self._size = (0, 0)
        self._larger, self._larger_since_s = 0, math.inf  # the pixels of frames larger than declared, and since when

    def enter(self, demands: list[Demand], most_pixels: int, now_s: float) -> None:
        """Reserve room for a frame before it is decoded.

        Raises StreamRefused if the frame exceeds a limit, and Unfit if it is larger than declared but in GRACE_S.
        """
        pixels = max((demand.pixels for demand in demands), default=0)
        side = max((max(demand.width, demand.height) for demand in demands), default=0)
        if pixels > MOST_PIXELS or side > MOST_SIDE_PX:
            raise StreamRefused("size", "This video's pictures are larger than this server takes.")
        if pixels > most_pixels:
            self._larger, self._larger_since_s = pixels, min(now_s, self._larger_since_s)
        if self._larger > most_pixels and now_s - self._larger_since_s > GRACE_S:
            raise StreamRefused("size", "This video's pictures are larger than declared.")
        if pixels > most_pixels:
            raise Unfit("size")
        for demand in demands:
            self._take(demand, now_s)

    def _take(self, demand: Demand, now_s: float) -> None:
        self._larger, self._larger_since_s = 0, math.inf
        if (demand.width, demand.height) != self._size:
            self.change(now_s)
        if not self._memory.hold(self, needed_bytes(demand)):
            raise StreamRefused(
                "memory", "This server has no room for one more video of this size; send a smaller one."
            )
        self._size = demand.width, demand.height

    def change(self, now_s: float) -> None:
        """Count a change of the size or codec before it happens; raises StreamRefused if there were too many."""
        if not self._changes.take(now_s):
            raise StreamRefused("changes", "This video changes its size too often.")

    def check(self, picture: av.VideoFrame, now_s: float) -> None:
        """Check the size of a decoded picture, as a decoder may return to an earlier header; raises StreamRefused."""
        width, height = self._size
        if picture.width > width or picture.height > height:
            self._take(Demand.of(picture.width, picture.height), now_s)

    def leave(self) -> None:
        """Give the reserved memory back."""
        self._memory.release(self)
