"""Colorization: give features the statistics of the style's (whiten, then colour), as far as it becomes them."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Added to every covariance, as a share of its mean variance and as it is: flat pictures have none of their own.
RIDGE_SHARE, RIDGE = 0.05, 1e-3
#: Channels between what a gate sees and what it decides.
GATE_WIDTH = 32


class Statistics(NamedTuple):
    """First and second moments of one level's features, always in float32."""

    mean: Tensor  # B C 1
    factor: Tensor  # B C C, lower triangular: factor @ factor.T is the covariance


#: One level's statistics each, coarse to fine, as the decoder meets them.
StyleStatistics = tuple[Statistics, ...]


class Gate(nn.Module):
    """How far each feature goes towards the style's: statistics do not know a face from a cloud, the content does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(2 * channels, GATE_WIDTH, 1)
        self.decide = nn.Conv2d(GATE_WIDTH, channels, 1)
        nn.init.zeros_(self.decide.weight)
        nn.init.constant_(self.decide.bias, 3.0)

    def forward(self, content: Tensor, features: Tensor, wanted: Tensor) -> Tensor:
        """Between features and wanted (B C H W each), judged by the content's own and by the change that is wanted."""
        share = torch.sigmoid(self.decide(F.relu(self.look(torch.cat((content, wanted - features), 1)))))
        return torch.lerp(features, wanted, share)


def statistics(features: Tensor) -> Statistics:
    """Mean and Cholesky factor of the covariance over B C H W.

    In float32 and outside autocast: a bfloat16 product makes the covariance indefinite now and then.
    """
    with torch.autocast(features.device.type, enabled=False):
        x = features.float().flatten(2)
        mean = x.mean(2, keepdim=True)
        x = x - mean
        covariance = x @ x.mT / x.shape[2]
        variance = covariance.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1)
        eye = torch.eye(x.shape[1], device=x.device)
        return Statistics(mean, torch.linalg.cholesky(covariance + (RIDGE_SHARE * variance + RIDGE) * eye))


def colorize(features: Tensor, style: Statistics) -> Tensor:
    """Features (B C H W) with their own statistics taken out and the style's put in: L_s L_c^-1 (x - m_c) + m_s."""
    own = statistics(features)
    with torch.autocast(features.device.type, enabled=False):
        # X L_c = L_s, solved from the right: one C x C transform instead of two over all pixels.
        wanted = style.factor.expand_as(own.factor)
        transform = torch.linalg.solve_triangular(own.factor, wanted, upper=False, left=False)
        offset = style.mean - transform @ own.mean
        pixels = features.float().permute(0, 2, 3, 1)  # B H W C: stays channels last, which convolutions want
        coloured = torch.baddbmm(offset.mT, pixels.flatten(1, 2), transform.mT)
        return coloured.view_as(pixels).permute(0, 3, 1, 2).to(features.dtype)
