"""A quadratic map of colours: what it adds to r, g and b, as sums of ten terms of a colour in 0..1."""

import torch
from torch import Tensor

#: The terms: r, g, b, 1, the squares and the products.
TERMS = 10


def terms(colours: Tensor) -> Tensor:
    """The terms of colours, B 3 N to B TERMS N."""
    r, g, b = colours.unbind(1)
    return torch.stack((r, g, b, torch.ones_like(r), r * r, g * g, b * b, r * g, g * b, b * r), 1)


def recoloured(image: Tensor, change: Tensor) -> Tensor:
    """A picture (B 3 H W) under maps (B TERMS 3), in 0..1."""
    return (image + (change.mT @ terms(image.flatten(2))).unflatten(2, image.shape[2:])).clamp(0, 1)
