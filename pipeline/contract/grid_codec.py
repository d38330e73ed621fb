"""Packs grids for the way to the client, in less than half the size that they have as float16.

Each coefficient is rounded to a multiple of 1/STEPS. It is replaced by its difference from the coefficient one column
before, and this again by its difference from the same value one luma layer below, modulo 2^16. The sign is moved to the
lowest bit. All low bytes come first, then all high bytes, compressed with zlib. The page's twin is
clients/web/net/grid_codec.js.
"""

import zlib

import numpy as np

from pipeline.contract.errors import BadMessage

#: This is as fine as float16 between 1 and 2, where the largest coefficients are. No colour changes by a level.
STEPS = 1024
MAX_SIDE = 64
#: Axes of a grid 3 D R C 4. Taking differences along the rows as well would not make the values smaller: it is noise.
_LUMA, _COLUMNS = 1, 3


def pack_grid(grid: np.ndarray) -> bytes:
    """Pack a grid, float16 or float32 [3, D, R, C, 4], clipped to ±32. Raises ValueError if it is not finite.

    zlib is set to look only for runs. For grids this is faster than its full search, and the result is smaller.
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
    """Return a grid, float16 [3, D, R, C, 4]. Raises BadMessage unless `data` is a packed grid of `shape` (D, R, C)."""
    depth, rows, columns = check_shape(shape)
    body = _inflate(data, 2 * 3 * depth * rows * columns * 4)
    low, high = np.frombuffer(body, np.uint8).reshape(2, 3, depth, rows, columns, 4).astype(np.uint16)
    folded = high << 8 | low
    numbers = folded >> 1 ^ -(folded & 1)
    for axis in (_LUMA, _COLUMNS):
        numbers = numbers.cumsum(axis, dtype=np.uint16)
    return (numbers.view(np.int16) / np.float32(STEPS)).astype(np.float16)


def check_shape(shape: object) -> tuple[int, int, int]:
    """Return the sides (D, R, C) of a grid. Raises BadMessage unless they are three integers from 1 to MAX_SIDE."""
    if not isinstance(shape, list | tuple) or len(shape) != 3:
        raise BadMessage("A grid's shape is depth, rows and columns.")
    if not all(type(side) is int and 0 < side <= MAX_SIDE for side in shape):
        raise BadMessage(f"A grid has 1 to {MAX_SIDE} cells a side.")
    return tuple(shape)


def _inflate(data: bytes, size: int) -> bytes:
    """Decompress exactly `size` bytes. Data that gives more is refused after one more byte."""
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(data, size + 1)
    except zlib.error:
        raise BadMessage("A grid that is not packed.") from None
    if len(body) != size or not inflater.eof or inflater.unused_data:
        raise BadMessage("A packed grid that does not fit its shape.")
    return body
