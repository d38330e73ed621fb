"""Colorization: content features get the style's statistics by whitening and colouring, as far as a gate allows."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.colour_maps.correspondence import Places
from edge.grid_model.neutrality import Chroma

#: Added to the variances of every covariance: a share of their mean, and a constant, since flat pictures have none.
RIDGE_SHARE, RIDGE = 0.05, 1e-3
#: A picture has this many regions along each side.
REGIONS = 12
#: A picture with more than four times as many places gives its covariance from every fourth one.
PLACES = 500
#: Channels of a gate's hidden layer.
GATE_WIDTH = 32


class Statistics(NamedTuple):
    """The mean and covariance of one level's features, and the means of their regions; always in float32."""

    mean: Tensor  # B C 1
    factor: Tensor  # B C C, lower triangular: factor @ factor.T is the covariance
    regions: Tensor  # B C R R


class StyleStatistics(NamedTuple):
    """What is kept of a style picture."""

    levels: tuple[Statistics, ...]  # coarse to fine, which is the decoder's order
    places: tuple[Places, Places]  # of the picture as it is, and mirrored
    description: Tensor  # of its colours, B DESCRIPTION: see `colour_maps.grade`
    chroma: Chroma
    mood: Tensor  # B: from 0, its grade alone, to 1, all of its statistics

    def with_mood(self, mood: float) -> "StyleStatistics":
        """The same style, of which less than all of the mood is wanted. Raises ValueError outside of 0..1."""
        if not 0 <= mood <= 1:
            raise ValueError("mood must be between 0 and 1")
        return self._replace(mood=torch.full_like(self.mood, mood))


def in_one_batch(styles: Sequence[StyleStatistics]) -> StyleStatistics:
    """The statistics of several styles as one batch, in the same order."""
    return each(lambda *parts: torch.cat(parts), *styles)


def each(function: Callable[..., Tensor], *statistics: Any) -> Any:
    """The function's results for the tensors of statistics of one form, in a tuple of that form."""
    if isinstance(statistics[0], Tensor):
        return function(*statistics)
    parts = [each(function, *fields) for fields in zip(*statistics, strict=True)]
    return type(statistics[0])(*parts) if hasattr(statistics[0], "_fields") else tuple(parts)


def mixed(first: StyleStatistics, second: StyleStatistics, share: float) -> StyleStatistics:
    """The statistics of a look between two styles; `share` (0..1) is the second's.

    It comes within 38 dB of the mean of the two looks on six photos, and costs no more than one.
    """
    return each(lambda one, other: torch.lerp(one, other, share), first, second)


class Gate(nn.Module):
    """Decides how far each feature goes towards the style. Unlike statistics, it can tell a face from a cloud."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(2 * channels, GATE_WIDTH, 1)
        self.decide = nn.Conv2d(GATE_WIDTH, channels, 1)
        nn.init.normal_(self.decide.weight, std=1e-3)
        assert self.decide.bias is not None
        nn.init.constant_(self.decide.bias, 3.0)

    def forward(self, content: Tensor, features: Tensor, wanted: Tensor) -> Tensor:
        """A mix of `features` and `wanted`, judged by the content and by the wanted change; all are B C H W."""
        content, change = coarse(content), coarse(wanted) - coarse(features)
        share = torch.sigmoid(self.decide(F.relu(self.look(torch.cat((content, change), 1)))))
        return torch.lerp(features, wanted, F.interpolate(share, features.shape[2:], mode="bilinear"))


class Likeness(nn.Module):
    """Which regions of one picture look like which of another? Those at the same height are preferred."""

    def __init__(self) -> None:
        super().__init__()
        self.log_sharpness = nn.Parameter(torch.tensor([8.0]).log())
        self.height = nn.Parameter(torch.tensor([1.0]))

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """Two pictures' regions (unit vectors, B C RR) to weights B m k: how much of region m the first's k takes."""
        v = torch.linspace(0, 1, REGIONS, device=asking.device).repeat_interleave(REGIONS)
        apart = (v[:, None] - v).square()
        return (self.log_sharpness.exp() * (asked.mT @ asking - self.height * apart)).softmax(1)


class Colorization(nn.Module):
    """One level's features with the style's covariance, and with the means of those style regions that look alike."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = Gate(channels)
        self.reach = nn.Parameter(torch.full((channels, 1, 1), 0.5))

    def forward(self, content: Tensor, features: Tensor, style: Statistics, own: Tensor, other: Tensor) -> Tensor:
        """Recoloured features, B C H W.

        `content` holds the same features without any recolouring at earlier levels. `own` and `other` are `Likeness`
        weights: which regions of the content, and of the style, each region of the content looks like.
        """
        with torch.autocast(features.device.type, enabled=False):
            found = statistics(features)
            transform, offset = whiten_and_colour(found, style)
            shift = style.regions.flatten(2) @ other - (transform @ found.regions.flatten(2) + offset) @ own
            offset = offset[..., None] + self.reach * shift.unflatten(2, (REGIONS, REGIONS))
            wanted = mix(features, transform, offset)
        return self.gate(content, features, wanted)


def coarse(features: Tensor) -> Tensor:
    """Features averaged down to a quarter of their rows and columns, but not below about 16 rows."""
    scale = max(1, min(features.shape[2] // 16, 4))
    return F.avg_pool2d(features, scale)


def regions(features: Tensor) -> Tensor:
    """The mean of each region: B C H W to B C R R, in float32."""
    return F.adaptive_avg_pool2d(features.float(), REGIONS)


def normalized(regions: Tensor) -> Tensor:
    """Regions (B C R R) as unit vectors (B C RR), after each channel is brought to mean 0 and deviation 1."""
    x = regions.flatten(2)
    deviation, mean = torch.std_mean(x, 2, keepdim=True)
    return F.normalize((x - mean) / (deviation + 0.03), dim=1, eps=1e-3)


def statistics(features: Tensor) -> Statistics:
    """The statistics of features, B C H W.

    They are computed in float32 and outside autocast, since a bfloat16 product makes the covariance indefinite now and
    then. Values that are not finite pass through: training skips such a step, and the stylizer refuses such a grid.
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
    """The transform (B C C) and offset (B C 1) that give content features the style's statistics.

    They compute L_s L_c^-1 (x - m_c) + m_s, with Cholesky factors L and means m.
    """
    # X L_c = L_s, solved from the right: one C x C transform instead of two over all pixels.
    wanted = style.factor.expand_as(content.factor)
    transform = torch.linalg.solve_triangular(content.factor, wanted, upper=False, left=False)
    return transform, style.mean - transform @ content.mean


def mix(features: Tensor, transform: Tensor, offset: Tensor) -> Tensor:
    """Features (B C H W) with their channels mixed by `transform` (B C C), plus `offset` (B C h w, of any size).

    The result is of the features' type, with channels last in memory.
    """
    offset = channels_last(offset.to(features.dtype))
    offset = F.interpolate(offset, features.shape[2:], mode="bilinear")
    pixels, offset = (x.permute(0, 2, 3, 1) for x in (features, offset))
    mixed = torch.baddbmm(offset.flatten(1, 2), pixels.flatten(1, 2), transform.mT.to(features.dtype))
    return mixed.view_as(pixels).permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
