"""Colorization: give features the statistics of the style's (whiten, then colour), as far as it becomes them."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Added to every covariance, as a share of its mean variance and as it is: flat pictures have none of their own.
RIDGE_SHARE, RIDGE = 0.05, 1e-3
#: A picture has this many regions along each side.
REGIONS = 12
#: Covariances are taken from at least this many places of a picture, where it has more than four times as many.
PLACES = 500
#: Channels between what a gate sees and what it decides.
GATE_WIDTH = 32


class Statistics(NamedTuple):
    """First and second moments of one level's features, and the means of their regions; always in float32."""

    mean: Tensor  # B C 1
    factor: Tensor  # B C C, lower triangular: factor @ factor.T is the covariance
    regions: Tensor  # B C R R


#: One level's statistics each, coarse to fine, as the decoder meets them.
StyleStatistics = tuple[Statistics, ...]


class Gate(nn.Module):
    """How far each feature goes towards the style's: statistics do not know a face from a cloud, the content does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(2 * channels, GATE_WIDTH, 1)
        self.decide = nn.Conv2d(GATE_WIDTH, channels, 1)
        nn.init.normal_(self.decide.weight, std=1e-3)
        assert self.decide.bias is not None
        nn.init.constant_(self.decide.bias, 3.0)

    def forward(self, content: Tensor, features: Tensor, wanted: Tensor) -> Tensor:
        """Between features and wanted (B C H W each), judged by the content's own and by the change that is wanted."""
        content, change = coarse(content), coarse(wanted) - coarse(features)
        share = torch.sigmoid(self.decide(F.relu(self.look(torch.cat((content, change), 1)))))
        return torch.lerp(features, wanted, F.interpolate(share, features.shape[2:], mode="bilinear"))


class Likeness(nn.Module):
    """Which regions of one picture look like which of another: sky like sky, and what is above like what is above."""

    def __init__(self) -> None:
        super().__init__()
        self.log_sharpness = nn.Parameter(torch.tensor([8.0]).log())
        self.height = nn.Parameter(torch.tensor([1.0]))

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """Two pictures' regions, unit vectors B C RR, to B m k: how much k of the first takes from m of the second."""
        v = torch.linspace(0, 1, REGIONS, device=asking.device).repeat_interleave(REGIONS)
        apart = (v[:, None] - v).square()
        return (self.log_sharpness.exp() * (asked.mT @ asking - self.height * apart)).softmax(1)


class Colorization(nn.Module):
    """One level: the style's statistics everywhere, each region's mean from those that look like it, and a gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = Gate(channels)
        self.reach = nn.Parameter(torch.full((channels, 1, 1), 0.5))

    def forward(self, content: Tensor, features: Tensor, style: Statistics, own: Tensor, other: Tensor) -> Tensor:
        """Features (B C H W) recoloured.

        `content` are the same features as no style has touched them; `own` and `other` say which regions of the content
        and of the style its regions look like.
        """
        with torch.autocast(features.device.type, enabled=False):
            found = statistics(features)
            transform, offset = whiten_and_colour(found, style)
            shift = style.regions.flatten(2) @ other - (transform @ found.regions.flatten(2) + offset) @ own
            offset = offset[..., None] + self.reach * shift.unflatten(2, (REGIONS, REGIONS))
            wanted = mix(features, transform, offset)
        return self.gate(content, features, wanted)


def coarse(features: Tensor) -> Tensor:
    """A quarter of the rows and columns, where there are as many as that."""
    scale = max(1, min(features.shape[2] // 16, 4))
    return F.avg_pool2d(features, scale)


def regions(features: Tensor) -> Tensor:
    """The mean of each region of B C H W, in float32."""
    return F.adaptive_avg_pool2d(features.float(), REGIONS)


def normalized(regions: Tensor) -> Tensor:
    """B C R R as unit vectors B C RR, after each channel's mean and deviation are taken out."""
    x = regions.flatten(2)
    deviation, mean = torch.std_mean(x, 2, keepdim=True)
    return F.normalize((x - mean) / (deviation + 0.03), dim=1, eps=1e-3)


def statistics(features: Tensor) -> Statistics:
    """Mean and Cholesky factor of the covariance over B C H W.

    In float32 and outside autocast: a bfloat16 product makes the covariance indefinite now and then. What is not finite
    goes through: training skips such a step, and the stylizer refuses such a grid.
    """
    with torch.autocast(features.device.type, enabled=False):
        step = 2 if features.shape[2] * features.shape[3] > 4 * PLACES else 1
        x = features[:, :, ::step, ::step].float().flatten(2)
        mean = x.mean(2, keepdim=True)
        covariance = torch.baddbmm(mean @ mean.mT, x, x.mT, beta=-1, alpha=1 / x.shape[2])
        variances = covariance.diagonal(dim1=1, dim2=2)
        variances += RIDGE_SHARE * variances.mean(1, keepdim=True) + RIDGE
        factor, _ = torch.linalg.cholesky_ex(covariance)
        return Statistics(mean, factor, regions(features))


def whiten_and_colour(content: Statistics, style: Statistics) -> tuple[Tensor, Tensor]:
    """B C C and B C 1: what turns features of the one into the other's, L_s L_c^-1 (x - m_c) + m_s."""
    # X L_c = L_s, solved from the right: one C x C transform instead of two over all pixels.
    wanted = style.factor.expand_as(content.factor)
    transform = torch.linalg.solve_triangular(content.factor, wanted, upper=False, left=False)
    return transform, style.mean - transform @ content.mean


def mix(features: Tensor, transform: Tensor, offset: Tensor) -> Tensor:
    """B C H W, channels mixed by B C C, plus an offset of any size; of the features' type and channels last."""
    offset = channels_last(offset.to(features.dtype))
    offset = F.interpolate(offset, features.shape[2:], mode="bilinear")
    pixels, offset = (x.permute(0, 2, 3, 1) for x in (features, offset))
    mixed = torch.baddbmm(offset.flatten(1, 2), pixels.flatten(1, 2), transform.mT.to(features.dtype))
    return mixed.view_as(pixels).permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
