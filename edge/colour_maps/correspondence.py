"""Correspondence: which places of the style show what a place of the content shows, and do their colours agree?

Statistics cannot tell a grade from a different scene. Where the style shows the same things, the colours of matching
places can: if one smooth map of colours takes the content's to the style's, that map is the grade.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from edge.colour_maps.quadratic import TERMS, recoloured, terms

#: Every picture is described by this many places, so that pictures of all shapes fit in one batch. At the coarsest
#: tap, a photo of 4:3 has 588 and one of 16:9 has 448.
PLACES = 336
#: Contrast and least deviation of the pictures whose features are compared: channels are brought to one mean and
#: deviation, since a grade changes both.
CONTRAST, LEAST_DEVIATION = 0.2, 0.03
#: How much better than others a place must match to be the match: a softmax over cosines times this.
SHARPNESS = 120.0
#: The least logarithm of a likeness: smaller numbers would be subnormal when squared, which is slow.
LEAST_LIKENESS = -40.0
#: How often the map is fitted, with what lies off it counting less each time: half at a distance of AGREED, in 0..1.
FITS, AGREED = 3, 0.03
#: Draws the map to the identity: a share of its equations' mean diagonal.
RIDGE = 1e-3
#: The share of places that find each other and agree at which the map begins to count, and at which it counts alone.
DOUBT, BELIEF = 0.05, 0.07


class Places(NamedTuple):
    """What is seen at the places of a picture."""

    seen: Tensor  # B C N: unit vectors
    colours: Tensor  # B 3 N, in 0..1


class Agreement(NamedTuple):
    """A map of colours, and how far it is to be believed."""

    change: Tensor  # B TERMS 3: what the map adds to a colour, by the terms of the colour
    belief: Tensor  # B, in 0..1

    def blend(self, image: Tensor, target: Tensor) -> Tensor:
        """The target (B 3 H W), moved towards the picture (B 3 H W) under the map as far as the map is believed."""
        return torch.lerp(target, recoloured(image, self.change), self.belief[:, None, None, None])


def standardized(image: Tensor) -> Tensor:
    """A picture (B 3 H W in 0..1) with its channels at one mean and deviation, which takes most of a grade away."""
    deviation, mean = torch.std_mean(image, (2, 3), keepdim=True)
    return (0.5 + CONTRAST * (image - mean) / (deviation + LEAST_DEVIATION)).clamp(0, 1)


def places(taps: Sequence[Tensor], image: Tensor) -> Places:
    """PLACES places of a picture (B 3 H W), as the two coarsest of the standardized picture's taps describe them.

    They are spread evenly over the pixels of the coarsest tap; where there are fewer, some are taken twice.
    """
    height, width = taps[-1].shape[2:]
    chosen = torch.linspace(0, height * width - 1, PLACES, device=image.device).round().long()
    levels = (F.avg_pool2d(tap, tap.shape[2] // height).flatten(2)[:, :, chosen].float() for tap in taps[:1:-1])
    seen = F.normalize(torch.cat([F.normalize(centred(level), dim=1) for level in levels], 1), dim=1)
    return Places(seen, F.adaptive_avg_pool2d(image, (height, width)).flatten(2)[:, :, chosen])


def centred(x: Tensor) -> Tensor:
    """Places (B C N) with every channel at mean 0 and deviation 1."""
    deviation, mean = torch.std_mean(x, 2, keepdim=True)
    return (x - mean) / (deviation + LEAST_DEVIATION)


@torch.no_grad()
def agreement(content: Places, styles: Sequence[Places]) -> Agreement:
    """The map of colours on which the matching places of content and style agree.

    The style is given as it is and mirrored, since scenes are seen from either side; per picture, the one that is
    believed more is taken. A place's change is the colour that it finds in the style less the one that it finds in its
    own picture in the same way. So a picture in its own style changes nothing.
    """
    with torch.autocast(content.seen.device.type, enabled=False):
        own, _ = matches(content, content)
        x, agreements = terms(content.colours), []
        for style in styles:
            found, mutual = matches(content, style)
            change, trust = found - own, torch.ones_like(mutual)
            for _ in range(FITS):
                fitted = regression(x, change, mutual * trust)
                trust = 1 / (1 + (change - fitted.mT @ x).square().sum(1, keepdim=True) / AGREED**2)
            agreements.append(Agreement(fitted, (mutual * trust).mean((1, 2))))
        best = torch.stack([agreement.belief for agreement in agreements]).argmax(0)
        change, agreed = (torch.stack(parts)[best, torch.arange(len(best))] for parts in zip(*agreements, strict=True))
        return Agreement(change, ((agreed - DOUBT) / (BELIEF - DOUBT)).clamp(0, 1))


def matches(asking: Places, asked: Places) -> tuple[Tensor, Tensor]:
    """The colours (B 3 N) that the asked picture shows for each place, and how surely (B 1 N) they lead back to it."""
    cosines = asking.seen.mT @ asked.seen
    typical = cosines.amax(2).mean(1)[:, None, None]
    alike = (SHARPNESS * (cosines - typical)).clamp(min=LEAST_LIKENESS).exp()
    forth, back = alike.sum(2, keepdim=True), alike.sum(1, keepdim=True)
    colours = (alike @ asked.colours.mT / forth).mT
    return colours, (alike.square() @ (1 / back).mT / forth).mT


def regression(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """The weighted ridge regression of y (B M N) on x (B K N), with weights B 1 N: B K M."""
    weighted = x * (weights / weights.sum(2, keepdim=True))
    squares = weighted @ x.mT
    ridge = RIDGE * squares.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(TERMS, device=x.device)
    return torch.linalg.solve_ex(squares + ridge, weighted @ y.mT).result
