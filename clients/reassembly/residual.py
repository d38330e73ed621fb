"""Reassembly for models that answer with pixels: the warped stylized key frame plus the stylized change since then.

out = warp(S) + A_w (I - warp(K)). A, the slope of the style, is a grid fitted from the key frame K to the stylized S.
"""

import numpy as np

from clients.reassembly.bilinear import around, sample
from clients.reassembly.grid import apply_grid, carry_grid
from clients.reassembly.jit import compiled
from clients.reassembly.warp import warp

#: Cells along the longer side, and luma layers, of a fitted grid.
LONG_CELLS, DEPTH = 16, 8
#: The weight of the whole picture's transform in each cell, and the weight of the identity in that transform, as shares
#: of the mean number of pixels in a cell.
WHOLE, IDENTITY = 1e-2, 1e-3
#: A grid is fitted to pixels on a lattice with about this many points along the longer side.
FITTED_SIDE = 256


def fit_grid(key: np.ndarray, stylized: np.ndarray) -> np.ndarray:
    """The grid (float16 3 D R C 4) that turns `key` into `stylized` with least squared error; both are RGB uint8 H W 3.

    A cell with few pixels borrows from the transform of the whole picture, which borrows from the identity.
    """
    step = max(1, max(key.shape[:2]) // FITTED_SIDE)
    x, y = (picture[step // 2 :: step, step // 2 :: step] / np.float32(255) for picture in (key, stylized))
    rows, columns = (max(1, round(LONG_CELLS * side / max(x.shape[:2]))) for side in x.shape[:2])
    sums = np.zeros((DEPTH, rows, columns, 4, 7))
    _collect(x, y, sums)
    sums = _spread(sums)
    whole = sums.mean((0, 1, 2))
    sums += WHOLE * (whole + IDENTITY * whole[3, 3] * np.hstack((np.eye(4), np.eye(4, 3))))
    transforms = np.linalg.solve(sums[..., :4], sums[..., 4:])  # D R C 4 3
    return np.ascontiguousarray(transforms.transpose(4, 0, 1, 2, 3), np.float16)


def _spread(sums: np.ndarray) -> np.ndarray:
    """Mix each cell with its neighbours along luma, rows and columns."""
    for axis in range(3):
        padded = np.concatenate((sums.take([0], axis), sums, sums.take([-1], axis)), axis)
        before, after = (padded.take(range(i, i + sums.shape[axis]), axis) for i in (0, 2))
        sums = (before + 2 * sums + after) / 4
    return sums


def reassemble_residual(
    now: np.ndarray,
    key: np.ndarray,
    stylized: np.ndarray,
    grid: np.ndarray,
    normalized_flow: np.ndarray,
    lookup_flow: np.ndarray,
) -> np.ndarray:
    """The frame `now`, stylized as `key` was to `stylized`; all of them are RGB uint8 H W 3 of one size.

    `grid` is what `fit_grid` gives. `normalized_flow` and `lookup_flow` belong to the flow to the key frame (see
    `clients.reassembly.flow.Flow`). Places that the key frame does not show are transformed by the grid, which is not
    moved there.
    """
    out = warp(stylized, normalized_flow)
    slopes = np.ascontiguousarray(carry_grid(grid, lookup_flow).transpose(2, 3, 1, 0, 4), np.float32)  # R C D 3 4
    filled = apply_grid(now, grid)
    _add_change(now, warp(key, normalized_flow), slopes, np.ascontiguousarray(normalized_flow[..., 2:]), filled, out)
    return out


@compiled
def _collect(x: np.ndarray, y: np.ndarray, sums: np.ndarray) -> None:
    """Add each pixel's normal equations (x to y, H W 3 in 0..1) to the eight cells of `sums` (D R C 4 7) around it."""
    p, one = np.ones(7, np.float32), np.float32(1)
    for i in range(x.shape[0]):
        r0, r1, down = around((i + 0.5) / x.shape[0], sums.shape[1])
        for j in range(x.shape[1]):
            c0, c1, across = around((j + 0.5) / x.shape[1], sums.shape[2])
            p[:3], p[4:] = x[i, j], y[i, j]
            d0, d1, bright = around(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2], sums.shape[0])
            for d, in_depth in ((d0, one - bright), (d1, bright)):
                for r, in_row in ((r0, one - down), (r1, down)):
                    for c, in_column in ((c0, one - across), (c1, across)):
                        weight = in_depth * in_row * in_column
                        for a in range(4):
                            for b in range(7):
                                sums[d, r, c, a, b] += weight * p[a] * p[b]


@compiled
def _add_change(
    now: np.ndarray, was: np.ndarray, slopes: np.ndarray, valid: np.ndarray, filled: np.ndarray, out: np.ndarray
) -> None:
    """Add slopes (now - was) to `out`, with slopes at the luma of `was`; where the flow is not valid, take `filled`."""
    height, width = now.shape[:2]
    for y in range(height):
        r0, r1, down = around((y + 0.5) / height, slopes.shape[0])
        for x in range(width):
            c0, c1, across = around((x + 0.5) / width, slopes.shape[1])
            luma = (0.299 * was[y, x, 0] + 0.587 * was[y, x, 1] + 0.114 * was[y, x, 2]) / 255
            d0, d1, bright = around(luma, slopes.shape[2])
            share = sample(valid, (y + 0.5) / height, (x + 0.5) / width, 0)
            for k in range(3):
                change = np.float32(0)
                for j in range(3):
                    gap = np.float32(now[y, x, j]) - np.float32(was[y, x, j])
                    above = _slope(slopes, r0, c0, c1, across, d0, d1, bright, k, j)
                    below = _slope(slopes, r1, c0, c1, across, d0, d1, bright, k, j)
                    change += (above + down * (below - above)) * gap
                moved = min(max(out[y, x, k] + change, np.float32(0)), np.float32(255))
                out[y, x, k] = np.uint8(filled[y, x, k] + share * (moved - filled[y, x, k]) + np.float32(0.5))


@compiled
def _slope(
    slopes: np.ndarray, r: int, c0: int, c1: int, across: float, d0: int, d1: int, bright: float, k: int, j: int
) -> float:
    """Coefficient (k, j) of a row, mixed from two columns and two depths."""
    left = slopes[r, c0, d0, k, j] + bright * (slopes[r, c0, d1, k, j] - slopes[r, c0, d0, k, j])
    right = slopes[r, c1, d0, k, j] + bright * (slopes[r, c1, d1, k, j] - slopes[r, c1, d0, k, j])
    return left + across * (right - left)
