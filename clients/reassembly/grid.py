"""The client's half of the stylizer: carries a key frame's colour grid along the flow, and applies it to any frame.

A grid is float16 [3, D, R, C, 4]: output channel x luma depth x rows x columns x (coefficient of r, g, b, and offset).
The page's twin is clients/web/render/grid.js.
"""

import numpy as np

from clients.reassembly.bilinear import around, sample
from clients.reassembly.jit import compiled

IDENTITY = np.eye(3, 4, dtype=np.float16).reshape(3, 1, 1, 1, 4)  # the grid that changes nothing, at any size
STILL = np.zeros((1, 1, 3), np.float32)  # the flow of a frame whose motion is unknown
#: A carried grid has this many times the rows and columns. The factor is odd, so that cell centres coincide where
#: nothing moves.
FINER = 3
#: How far dithering moves a colour before it is rounded, in levels, up and down together. Below 1, a colour that is a
#: whole level already, as under the identity, stays.
DITHER = 0.98


def apply_grid(
    image: np.ndarray, grid: np.ndarray, *, strength: float = 1.0, dither: bool = False, out: np.ndarray | None = None
) -> np.ndarray:
    """Stylize an image (RGB uint8 H W 3). A strength of 0 gives the image back, 1 the full style.

    The grid is sampled trilinearly at each pixel's (column, row, luma), with cell centres at (k + 0.5) / n and clamped
    edges. With `dither`, fractions of a level become fine grain, so that a smooth sky has no bands. An `out` saves an
    allocation. It must be C-contiguous and of the image's shape, and may be the image itself.
    """
    if strength != 1.0:
        grid = blend_grids(IDENTITY, grid, strength)
    out = np.empty(image.shape, np.uint8) if out is None else out
    cells = _cells_first(grid)
    cells[..., 3::4] *= 255  # offsets in 0..255, like the pixels
    _paint(np.ascontiguousarray(image), cells, DITHER if dither else 0.0, out)
    return out


def blend_grids(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """The grid at the fraction t of the way from a to b. Either may be IDENTITY; otherwise their shapes are equal."""
    return (a + np.float32(t) * (b.astype(np.float32) - a)).astype(np.float16)


def carry_grid(grid: np.ndarray, normalized_flow: np.ndarray) -> np.ndarray:
    """A key frame's grid moved along the flow to another frame, with FINER times the rows and columns.

    `normalized_flow` (float32 h w 3, see `clients.reassembly.flow.Flow`) leads from that frame to the key frame. Where
    the key frame does not show a place, the grid stays where it is. Applying the carried grid is nearly the same as
    sampling the grid along the flow at each pixel (55 to 60 dB on real clips), at a third of the cost.
    """
    cells = _cells_first(grid)
    carried = np.empty((FINER * cells.shape[0], FINER * cells.shape[1], *cells.shape[2:]), np.float32)
    _carry(cells.reshape(*cells.shape[:2], -1), normalized_flow, carried.reshape(*carried.shape[:2], -1))
    carried = carried.reshape(*carried.shape[:3], 3, 4).transpose(3, 2, 0, 1, 4)
    return np.ascontiguousarray(carried, np.float16)


def _cells_first(grid: np.ndarray) -> np.ndarray:
    """The grid as float32 R C D 12, with the twelve coefficients of a cell side by side."""
    cells = np.ascontiguousarray(grid.transpose(2, 3, 1, 0, 4), np.float32)
    return cells.reshape(*cells.shape[:3], 12)


@compiled
def _carry(cells: np.ndarray, normalized_flow: np.ndarray, carried: np.ndarray) -> None:
    """Fill carried (rows columns n) from cells (R C n), both seen as pictures."""
    for y in range(carried.shape[0]):
        v = (y + 0.5) / carried.shape[0]
        for x in range(carried.shape[1]):
            u = (x + 0.5) / carried.shape[1]
            was_v, was_u = v + sample(normalized_flow, v, u, 1), u + sample(normalized_flow, v, u, 0)
            share = sample(normalized_flow, v, u, 2)
            for k in range(cells.shape[2]):
                here = sample(cells, v, u, k)
                carried[y, x, k] = here + share * (sample(cells, was_v, was_u, k) - here)


@compiled
def _between_rows(cells: np.ndarray, v: float, row: np.ndarray) -> None:
    """Fill a row (n) with the cells (R n) at height v, 0..1."""
    above, below, share = around(v, cells.shape[0])
    for i in range(row.shape[0]):
        row[i] = cells[above, i] + share * (cells[below, i] - cells[above, i])


@compiled
def _columns(width: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel of a row, the cell to its left and how far (0..1) the pixel is on the way to the next one."""
    left, share = np.empty(width, np.int32), np.empty(width, np.float32)
    for x in range(width):
        left[x], _, share[x] = around((x + 0.5) / width, cells)
    return left, share


@compiled
def _mixed(
    row: np.ndarray, c0: int, c1: int, d0: int, d1: int, k: int, w00: float, w01: float, w10: float, w11: float
) -> float:
    """Coefficient k, mixed from two columns and two depths by four weights."""
    return w00 * row[c0, d0, k] + w01 * row[c0, d1, k] + w10 * row[c1, d0, k] + w11 * row[c1, d1, k]


@compiled
def _grain(x: int, y: int) -> float:
    """Interleaved gradient noise (Jimenez 2014), -0.5 to 0.5, as in the page's shader: neighbours differ evenly."""
    wave = np.float32(0.06711056) * np.float32(x) + np.float32(0.00583715) * np.float32(y)
    noise = np.float32(52.9829189) * (wave - np.floor(wave))
    return noise - np.floor(noise) - np.float32(0.5)


@compiled
def _paint(image: np.ndarray, cells: np.ndarray, dither: float, out: np.ndarray) -> None:
    """Transform each pixel by a mix of the four cells around its column and luma, out of cells mixed for its row.

    The loop goes pixel by pixel on purpose: 48 multiply-adds on adjacent numbers are as fast as vectors across pixels.
    """
    height, width = image.shape[:2]
    rows = cells.reshape(cells.shape[0], -1)
    row: np.ndarray = np.empty(cells.shape[1:], np.float32)
    left, across = _columns(width, row.shape[0])
    last_column, last_depth = row.shape[0] - 1, row.shape[1] - 1
    per_level = np.float32(row.shape[1] / 255)
    grains = np.float32(dither)
    zero, half, one, white = np.float32(0), np.float32(0.5), np.float32(1), np.float32(255)
    for y in range(height):
        _between_rows(rows, (y + 0.5) / height, row.reshape(-1))
        for x in range(width):
            r, g, b = np.float32(image[y, x, 0]), np.float32(image[y, x, 1]), np.float32(image[y, x, 2])
            luma = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
            z = min(max(luma * per_level - half, zero), np.float32(last_depth))
            d0 = int(z)
            d1 = min(d0 + 1, last_depth)
            c0 = left[x]
            c1 = min(c0 + 1, last_column)
            w01, w10 = z - np.float32(d0), across[x]
            w11 = w01 * w10
            w01, w10 = w01 - w11, w10 - w11
            w00 = one - w01 - w10 - w11
            rounding = half + grains * _grain(x, y) if dither else half
            for channel in range(3):
                k = 4 * channel
                colour = r * _mixed(row, c0, c1, d0, d1, k, w00, w01, w10, w11)
                colour += g * _mixed(row, c0, c1, d0, d1, k + 1, w00, w01, w10, w11)
                colour += b * _mixed(row, c0, c1, d0, d1, k + 2, w00, w01, w10, w11)
                colour += _mixed(row, c0, c1, d0, d1, k + 3, w00, w01, w10, w11)
                out[y, x, channel] = np.uint8(min(max(colour + rounding, zero), white))
