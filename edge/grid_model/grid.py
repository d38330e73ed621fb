"""The bilateral grid of colour transforms: its shape, and what it does to a picture.

Its layout is 3 D R C 4: output channel, luma layer, row, column, and the coefficients of r, g, b and 1. It is sampled
like a texture: cell centres lie at (k + 0.5) / n, and edges are clamped.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

#: Luma layers of a grid.
DEPTH = 8
#: Cells along the long side.
LONG_SIDE = 16
#: Approximate side of a cell, in pixels of the network's input, whose sides are multiples of the encoder's stride. The
#: network was trained with 16; 14 costs a fiftieth of the style's strength and saves a sixth of the time.
CELL = 14


def cells(height: int, width: int, long_side: int = LONG_SIDE) -> tuple[int, int]:
    """Rows and columns of the grid for a picture: `long_side` along its long side, at least one along the other."""
    short = max(1, round(long_side * min(height, width) / max(height, width)))
    return (short, long_side) if width >= height else (long_side, short)


def luma(image: Tensor) -> Tensor:
    """The luma (BT.601) of a picture: B 3 H W to B H W."""
    return 0.299 * image[:, 0] + 0.587 * image[:, 1] + 0.114 * image[:, 2]


def slice_grid(grid: Tensor, image: Tensor) -> Tensor:
    """Apply a grid (B 3 D R C 4) to a picture (B 3 H W, 0..1) of any size; the result is not clipped."""
    depth, rows, columns = grid.shape[2:5]
    height, width = image.shape[2:]
    v = (torch.arange(height, device=image.device) + 0.5) / height * 2 - 1
    u = (torch.arange(width, device=image.device) + 0.5) / width * 2 - 1
    where = torch.stack(torch.broadcast_tensors(u, v[:, None], luma(image) * 2 - 1), -1)[:, None]  # B 1 H W 3
    volume = grid.permute(0, 1, 5, 2, 3, 4).reshape(len(grid), 12, depth, rows, columns)
    sampled = F.grid_sample(volume, where, align_corners=False, padding_mode="border")
    transforms = sampled.view(len(grid), 3, 4, height, width)
    return (transforms[:, :, :3] * image[:, None]).sum(2) + transforms[:, :, 3]
