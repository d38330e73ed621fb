"""What the training asks of a stylized picture and of its grid."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from edge.grid import luma

#: VGG layers whose means and standard deviations are a picture's style.
STYLE_LAYERS = ("1_1", "2_1", "3_1")


def style_moments(features: Iterable[Tensor]) -> list[Tensor]:
    """Mean and standard deviation of each layer's channels: a list of B 2C."""
    flat = (f.float().flatten(2) for f in features)
    return [torch.cat((f.mean(2), (f.var(2) + 1e-6).sqrt()), 1) for f in flat]


def style_distance(moments: list[Tensor], target: list[Tensor]) -> Tensor:
    """Squared distance relative to the target's size, summed over the layers: B."""
    return sum((a - b).square().sum(1) / b.square().sum(1) for a, b in zip(moments, target, strict=True))


def edge_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 - SSIM of the gradient magnitudes of luma: whether what stood out in one stands out in the other."""
    return 1 - ssim(gradient(a), gradient(b))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of B 1 H W in 0..1."""
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a.square(), blur(b * b) - mean_b.square()
    covariance = blur(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + 1e-4) / (mean_a.square() + mean_b.square() + 1e-4)
    return (light * (2 * covariance + 9e-4) / (var_a + var_b + 9e-4)).mean()


def grid_roughness(grid: Tensor) -> Tensor:
    """How far a grid's cells (B 3 D R C 4) are from the mean of their two neighbours, along luma, rows and columns."""
    second = (grid.diff(n=2, dim=axis) for axis in (2, 3, 4) if grid.shape[axis] > 2)
    return sum((d.square().mean() for d in second), grid.new_zeros(()))


def out_of_range(image: Tensor) -> Tensor:
    """How far colours lie outside 0..1, where clipping would flatten them."""
    return (F.relu(-image) + F.relu(image - 1)).mean()


def gradient(image: Tensor) -> Tensor:
    """Sobel gradient magnitude of luma, a quarter of the usual scale: B 1 H-2 W-2."""
    y = luma(image)[:, None]
    rows = y[:, :, :-2] + 2 * y[:, :, 1:-1] + y[:, :, 2:]
    columns = y[..., :-2] + 2 * y[..., 1:-1] + y[..., 2:]
    across, down = rows[..., 2:] - rows[..., :-2], columns[:, :, 2:] - columns[:, :, :-2]
    return (across.square() + down.square() + 1e-8).sqrt() / 4


def blur(image: Tensor) -> Tensor:
    """Gaussian, 11 taps, sigma 1.5, no border."""
    taps = torch.exp(-torch.arange(-5, 6, device=image.device).square() / 4.5)
    taps = taps / taps.sum()
    return F.conv2d(F.conv2d(image, taps.view(1, 1, 1, 11)), taps.view(1, 1, 11, 1))
