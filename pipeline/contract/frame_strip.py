"""The frame-id strip: extra rows below the picture that tell the gateway which of the client's frames this is.

It has 32 equal blocks across the width, in luma only: sync 1 0, the id in 16 Gray-coded bits, its CRC-8, sync 0 1, and
four zeros. Thanks to the Gray code, only one bit of the id differs between two consecutive frames, so that an encoder
that blurs two strips damages at most that bit and the CRC, which then does not match. The page's twin is
clients/web/capture/frame_strip.js.

A decoder that misses a packet mixes old strips with new ones. One in 400 such mixtures passes the CRC of 8 bits, and in
some an earlier strip is intact. Blocks must therefore be clearly dark or bright, and ids must increase (see
`MonotonicIdFilter`).
"""

from dataclasses import dataclass

import cv2
import numpy as np

STRIP_ROWS = 16
BLOCKS = 32
_LOW, _HIGH = 32, 222
_THRESHOLD = 127
#: How far from the threshold each block must be. VP8 at 150 kbit/s leaves 72 levels, and 54 after 4x downscaling.
_MARGIN = 45
#: Each block is divided into this many cells, of which only the middle one is read: neighbouring blocks blur the
#: others.
CELLS = 3
#: The digit for each of 256 levels; "?" stands for a level that is neither clearly dark nor clearly bright.
_BITS = bytes(b"?01"[(level <= _THRESHOLD - _MARGIN) + 2 * (level >= _THRESHOLD + _MARGIN)] for level in range(256))
#: An id may be ahead by ten seconds at 60 frames a second; a client that is silent for longer loses its session.
_FURTHEST_AHEAD = 600
#: After this many increasing ids in a row they are accepted, since it must have been an earlier id that was wrong.
_CONVINCING = 3


def _crc8(value: int) -> int:
    """Return the CRC-8 (polynomial 0x07) of the two big-endian bytes of `value`."""
    crc = 0
    for byte in value.to_bytes(2, "big"):
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def strip_bits(frame_id: int) -> np.ndarray:
    """The strip's bits, left to right: uint8 [BLOCKS], 0 or 1."""
    gray = frame_id ^ (frame_id >> 1)
    word = (0b10 << 30) | (gray << 14) | (_crc8(frame_id) << 6) | (0b01 << 4)
    return np.array([(word >> (31 - i)) & 1 for i in range(BLOCKS)], np.uint8)


def strip(frame_id: int, width: int) -> np.ndarray:
    """Return the strip's luma, uint8 [STRIP_ROWS, width], for `frame_id` modulo 65536."""
    levels = np.where(strip_bits(frame_id & 0xFFFF), _HIGH, _LOW).astype(np.uint8)
    block = np.arange(width) * BLOCKS // width
    return np.repeat(levels[block][None], STRIP_ROWS, 0)


def stamp(rgb: np.ndarray, frame_id: int) -> np.ndarray:
    """Return the picture RGB uint8 [H, W, 3] with the strip below it, [H + STRIP_ROWS, W, 3]."""
    return np.concatenate([rgb, np.repeat(strip(frame_id, rgb.shape[1])[..., None], 3, 2)])


def strip_rows(frame_height: int, picture_height: int) -> int:
    """Return how many rows the strip has in a received frame, which the sender may have scaled down as a whole."""
    return max(1, round(frame_height * STRIP_ROWS / (picture_height + STRIP_ROWS)))


def read(strip_luma: np.ndarray) -> int | None:
    """Return the id in a strip's luma, uint8 [rows, width] at any scale, or None if the strip is unclear or damaged."""
    rows, width = strip_luma.shape
    if rows < 1 or width < BLOCKS:
        return None
    middle = strip_luma[int(rows * 0.3) : max(int(rows * 0.3) + 1, int(rows * 0.7))]
    cells = cv2.resize(middle, (BLOCKS * CELLS, 1), interpolation=cv2.INTER_AREA)
    bits = cells[0, CELLS // 2 :: CELLS].tobytes().translate(_BITS)
    return None if b"?" in bits else _id_in(int(bits, 2))


def _id_in(word: int) -> int | None:
    """Return the id in a strip's 32 bits, or None if the sync bits or the CRC are wrong."""
    if word >> 30 != 0b10 or word & 0x3F != 0b010000:
        return None
    gray, frame_id = (word >> 14) & 0xFFFF, 0
    while gray:
        frame_id ^= gray
        gray >>= 1
    return frame_id if (word >> 6) & 0xFF == _crc8(frame_id) else None


def is_reached(frame_id: int, now: int) -> bool:
    """Return whether `now` is `frame_id` or comes after it; ids wrap around at 65536."""
    return (now - frame_id) % 65536 < 32768


@dataclass(slots=True)
class MonotonicIdFilter:
    """Accepts the ids of one stream as long as they increase. An id that comes again is from an old strip."""

    #: The newest id that was accepted.
    last: int | None = None
    _doubted: int | None = None
    _in_a_row: int = 0

    def accept(self, frame_id: int) -> bool:
        """Note an id; return whether it is accepted."""
        if self.last is not None and not _ahead(self.last, frame_id) and not self._convinced(frame_id):
            return False
        self.last, self._doubted = frame_id, None
        return True

    def _convinced(self, frame_id: int) -> bool:
        """Return whether the last few ids increase, although none of them follows `last`."""
        follows = self._doubted is not None and _ahead(self._doubted, frame_id)
        self._doubted, self._in_a_row = frame_id, self._in_a_row + 1 if follows else 1
        return self._in_a_row >= _CONVINCING


def _ahead(before: int, frame_id: int) -> bool:
    return 0 < (frame_id - before) % 65536 <= _FURTHEST_AHEAD
