"""Keeps grey what is grey in the style: an output's chroma spreads little further than the style's.

Chroma is (red - luma, blue - luma), of pictures in 0..1.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from edge.grid_model.grid import luma

#: The output's chroma may have this many times the style's variance before it is held back by a sixth; far beyond
#: that, it keeps 4 times the variance of the style. On 29 pairs 4 costs none of the style's strength, and 1 a fortieth.
WIDER = 4.0
#: Added to the style's variance, in squared chroma: under a grey style, a hundred-thousandth of a colour is left.
LEAST_VARIANCE = 1e-13
#: What one of red or blue chroma adds to a colour whose luma stays: rows are colours, columns are chroma.
COLOURS = ((1.0, 0.0), (-0.299 / 0.587, -0.114 / 0.587), (0.0, 1.0))


class Chroma(NamedTuple):
    """Where a picture's chroma lies: its mean, B 2, and the sum of its two variances, B."""

    mean: Tensor
    variance: Tensor


def chroma(image: Tensor) -> Tensor:
    """B 3 H W to B 2 H W."""
    return image[:, ::2] - luma(image)[:, None]


def chroma_of(image: Tensor) -> Chroma:
    """The chroma of a picture, B 3 H W."""
    found = chroma(image)
    mean = found.mean((2, 3))
    return Chroma(mean, spread(found, mean))


def spread(found: Tensor, mean: Tensor) -> Tensor:
    """The mean squared distance of chroma (B 2 H W) from `mean` (B 2): B."""
    return (found - mean[..., None, None]).square().mean((2, 3)).sum(1)


def holding_back(target: Tensor, style: Chroma) -> Tensor:
    """The affine map of colours (B 3 4) that brings a picture's chroma (B 3 H W) near the style's, luma unchanged.

    It is the identity for a picture whose chroma lies no further from the style's mean than the style's own, and makes
    every colour grey under a grey style. It changes smoothly between them.
    """
    variance = style.variance + LEAST_VARIANCE
    excess = F.relu(spread(chroma(target), style.mean) / variance - 1) / WIDER
    taken = 1 - (1 + excess.square()) ** -0.25
    return toward(style.mean, taken)


def toward(mean: Tensor, share: Tensor) -> Tensor:
    """The map (B 3 4) that moves chroma by `share` (B) of its way to `mean` (B 2)."""
    back = mean.new_tensor(COLOURS)
    own = chroma(torch.eye(3, device=mean.device)[..., None, None])[..., 0, 0].mT  # 2 3: that of each pure colour
    way = torch.cat((-own.expand(len(mean), 2, 3), mean[..., None]), 2)  # B 2 4
    change = (back[..., None] * way[:, None]).sum(2)  # no matrix product: autocast would round it
    return torch.eye(3, 4, device=mean.device) + share[:, None, None] * change


def mapped(image: Tensor, colours: Tensor) -> Tensor:
    """A picture (B 3 H W) under an affine map of colours (B 3 4); the identity leaves every bit as it is."""
    weights = colours[..., None, None]
    return sum((weights[:, :, i] * image[:, i : i + 1] for i in range(3)), weights[:, :, 3])


def followed_by(grid: Tensor, colours: Tensor) -> Tensor:
    """The grid (B 3 D R C 4) that does what `grid` does and then an affine map of colours (B 3 4)."""
    weights = colours[..., None, None, None, None]  # B 3 4 1 1 1 1
    result = sum(weights[:, :, i] * grid[:, i : i + 1] for i in range(3))
    return result + F.pad(colours[:, :, None, None, None, 3:], (3, 0))
