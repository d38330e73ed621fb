"""How large the pictures of one stream may be, and how much memory the decoders of all streams may take.

A decoder makes room for what a frame's header says: 159 bytes may ask for 6.7 GB.
"""

import threading
import weakref
from collections.abc import MutableMapping

from pipeline.contract.frame_strip import STRIP_ROWS
from pipeline.webrtc.media.video_header import Demand

#: Pixels of the largest picture for anybody: 4096x2160 with its strip, in whole macroblocks, and some more. 4K is the
#: most that phones' cameras give as video; one such picture keeps a core busy for 40 ms.
MOST_PIXELS = 4096 * 2304
#: Of a side, for anybody: around each picture lie some 50 unseen pixels, which multiply the memory of a narrow one.
MOST_SIDE_PX = 4352
#: What every session may send, whatever it has said: the first frames of a new camera may overtake its size.
FULL_HD_PIXELS = 1920 * 1104
#: A pixel in 4:2:0, and what decoders remember of it.
PIXEL_BYTES = 1.6
#: Pictures besides the references: the one that is decoded, those on their way to a key frame's JPEG.
IN_HAND = 4
#: Bytes that every stream's decoder has for itself: Full HD, with four references. 32 sessions: 0.9 GB.
OWN_BYTES = int(FULL_HD_PIXELS * PIXEL_BYTES * (4 + IN_HAND))
#: Bytes that decoders of larger pictures share: four or five in 4K.
SHARED_BYTES = 512 << 20


def most_pixels(picture_size: tuple[int, int]) -> int:
    """Of a stream that said its pictures are (width, height): with the strip, which an encoder may turn with them."""
    width, height = picture_size
    upright, turned = Demand.of(width, height + STRIP_ROWS), Demand.of(width + STRIP_ROWS, height)
    return min(MOST_PIXELS, max(FULL_HD_PIXELS, upright.pixels, turned.pixels))


def needed_bytes(demand: Demand) -> int:
    return int(demand.pixels * PIXEL_BYTES * (demand.references + IN_HAND))


class Memory:
    """What decoders hold beyond OWN_BYTES each. Any thread may call."""

    def __init__(self, most: int = SHARED_BYTES) -> None:
        self._most, self._lock = most, threading.Lock()
        self._held: MutableMapping[object, int] = weakref.WeakKeyDictionary()

    def hold(self, owner: object, count: int) -> bool:
        """Whether there is room for `owner` to need `count` bytes in all, from now on, in the place of earlier ones."""
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
        """Bytes."""
        with self._lock:
            return sum(self._held.values())
