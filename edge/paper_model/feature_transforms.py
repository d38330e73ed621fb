"""Eq. 2 of the paper, which puts style into content features: as printed, and in forms that repair it.

Each form takes content features x (B C H W) and style features y (B C h w), both float32, and returns B C H W.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from edge.features import LEAST_VARIANCE, deviation, mean, normalized
from edge.grid_model.colorization import mix, statistics, whiten_and_colour

#: How far `residual` goes from a content feature towards the style's mean, 0..1.
ALPHA = 0.5
#: Divides the cosines between features before the softmax. The smaller it is, the fewer features each one attends to.
TEMPERATURE = 0.1
#: Side of the grid to which features are pooled before each attends to all others.
TOKENS = 16
#: The share of the variance of all features that is added to the variance of a few.
LEAST_SHARE = 0.05


def literal(x: Tensor, y: Tensor) -> Tensor:
    """As printed, sum_m (y_m - x_k), but divided by the number of terms: the style's mean minus the content."""
    return mean(y) - x


def residual(x: Tensor, y: Tensor, alpha: float = ALPHA) -> Tensor:
    """x_k + alpha * mean_m (y_m - x_k): the mean moves by alpha, and 1 - alpha of the content's contrast stays."""
    return x + alpha * literal(x, y)


def adain(x: Tensor, y: Tensor) -> Tensor:
    """Give x the style's mean and standard deviation, channel by channel."""
    return normalized(x) * deviation(y) + mean(y)


def wct(x: Tensor, y: Tensor) -> Tensor:
    """Give x the style's mean and covariance: whiten, then colour."""
    transform, offset = whiten_and_colour(statistics(x), statistics(y))
    return mix(x, transform, offset[..., None])


def attention(x: Tensor, y: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Normalise each feature by like content features, and give it the statistics of like style features.

    The weights a_km = softmax_m(cos(x_k, y_m) / temperature) of the normalised features are AdaAttN's; equal weights
    would give `adain`. AdaAttN normalises by the content's global statistics instead, which counts its regions twice:
    features of pictures in their own style grew by half.
    """
    own_mean, own_deviation = attended(x, x, temperature)
    style_mean, style_deviation = attended(x, y, temperature)
    return (x - own_mean) / own_deviation * style_deviation + style_mean


def attended(x: Tensor, y: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The mean and standard deviation of y under the weights of each feature of x, B C H W each."""
    asking, asked = (F.normalize(tokens(normalized(f)), dim=1) for f in (x, y))
    weights = (asking.mT @ asked / temperature).softmax(2).mT  # B m k
    centre, power = tokens(y) @ weights, tokens(y.square()) @ weights
    spread = (power - centre.square()).clamp(min=0) + LEAST_SHARE * deviation(y).square().flatten(2)
    mean, spread = (
        F.interpolate(f.unflatten(2, (TOKENS, TOKENS)), x.shape[2:], mode="bilinear")
        for f in (centre, (spread + LEAST_VARIANCE).sqrt())
    )
    return mean, spread


def tokens(x: Tensor) -> Tensor:
    """B C H W pooled to B C 256."""
    return F.adaptive_avg_pool2d(x, TOKENS).flatten(2)


FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    form.__name__: form for form in (literal, residual, adain, wct, attention)
}
