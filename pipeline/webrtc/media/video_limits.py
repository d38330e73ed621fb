"""Limits on the size of one stream's pictures, and on the memory that the decoders of all streams take.

A decoder allocates what a frame's header asks for: 159 bytes may ask for 6.7 GB.
"""

import threading
import weakref
from collections.abc import MutableMapping

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
