"""Packs grids for the way to the client, into less than half the size of their float16.

Each coefficient is rounded to a whole number of 1/STEPS. What travels is its difference from the coefficient one column
before, less the same difference one luma layer below, modulo 2^16 and with the sign in the lowest bit. First come all
low bytes, then all high bytes, compressed with zlib. The page's twin is clients/web/net/grid_codec.js.
"""

import zlib

import numpy as np

from pipeline.contract.errors import BadMessage

#: As fine as float16 between 1 and 2, where the largest coefficients are. No colour changes by a level.
STEPS = 1024
MAX_SIDE = 64
#: Axes of a grid 3 D R C 4. Differences along rows, too, would be no smaller: the difference of noise is noise.
_LUMA, _COLUMNS = 1, 3


def pack_grid(grid: np.ndarray) -> bytes:
    """Pack a grid, float16 or float32 [3, D, R, C, 4], clipped to ±32. Raises ValueError if it is not finite.

    zlib looks for runs only. On grids that is faster than its full search, and the result is smaller.
    """
    if not np.isfinite(grid).all():
        raise ValueError("a grid with a coefficient that is not finite")
    numbers = np.rint(grid * np.float32(STEPS)).clip(-(2**15), 2**15 - 1).astype(np.int16)
    for axis in (_COLUMNS, _LUMA):
        numbers = np.diff(numbers, axis=axis, prepend=np.int16(0))
    folded = (numbers << 1 ^ numbers >> 15).view(np.uint16)
    deflater = zlib.compressobj(level=1, strategy=zlib.Z_RLE)
    return deflater.compress(np.array((folded & 0xFF, folded >> 8), np.uint8).tobytes()) + deflater.flush()


def unpack_grid(data: bytes, shape: object) -> np.ndarray:
    """A grid, float16 [3, D, R, C, 4]. Raises BadMessage unless `data` is one packed grid of `shape` (D, R, C)."""
    depth, rows, columns = check_shape(shape)
    body = _inflate(data, 2 * 3 * depth * rows * columns * 4)
    low, high = np.frombuffer(body, np.uint8).reshape(2, 3, depth, rows, columns, 4).astype(np.uint16)
    folded = high << 8 | low
    numbers = folded >> 1 ^ -(folded & 1)
    for axis in (_LUMA, _COLUMNS):
        numbers = numbers.cumsum(axis, dtype=np.uint16)
    return (numbers.view(np.int16) / np.float32(STEPS)).astype(np.float16)


def check_shape(shape: object) -> tuple[int, int, int]:
    """The sides (D, R, C), each 1 to MAX_SIDE. Raises BadMessage for anything else that JSON or msgpack may give."""
    if not isinstance(shape, list | tuple) or len(shape) != 3:
        raise BadMessage("A grid's shape is depth, rows and columns.")
    if not all(type(side) is int and 0 < side <= MAX_SIDE for side in shape):
        raise BadMessage(f"A grid has 1 to {MAX_SIDE} cells a side.")
    return tuple(shape)


def _inflate(data: bytes, size: int) -> bytes:
    """Exactly `size` bytes. A stream that would give more is refused after one more byte."""
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(data, size + 1)
    except zlib.error:
        raise BadMessage("A grid that is not packed.") from None
    if len(body) != size or not inflater.eof or inflater.unused_data:
        raise BadMessage("A packed grid that does not fit its shape.")
    return body
