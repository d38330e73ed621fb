"""The grade: which map of colours would a colourist have used, judged by the colours of content and style?

Statistics alone cannot be copied for that: the style shows other things. A small network has seen many photos under
grades that were known, each beside another photo, and has learned what is a grade and what is the scene.
"""

import torch
from torch import Tensor, nn

from edge.colour_maps.quadratic import TERMS

#: Which quantiles describe colours and luma, and which describe saturation (the largest colour minus the least).
QUANTILES, SATURATION = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98), (0.25, 0.5, 0.75, 0.9, 0.98)
#: The lumas around which mean chroma is taken, and how far around them.
BANDS, BAND_WIDTH = (0.1, 0.35, 0.6, 0.85), 0.13
#: The number of values that describe a picture's colours.
DESCRIPTION = 3 + 6 + 3 * len(QUANTILES) + len(QUANTILES) + len(SATURATION) + 3 * len(BANDS)
#: Every so many pixels are enough, and save 1.5 ms.
STEP = 3
#: Units of the two hidden layers, and the share of them that training leaves out.
HIDDEN, DROPPED = 128, 0.3
#: A description may be this many deviations from the mean of those that were trained on.
LARGEST = 4.0


class Grade(nn.Module):
    """Untrained, or with weights from before there was a grade, it changes nothing."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * DESCRIPTION))
        self.register_buffer("deviation", torch.ones(2 * DESCRIPTION))
        last = nn.Linear(HIDDEN, 3 * TERMS)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            nn.Linear(2 * DESCRIPTION, HIDDEN), nn.ReLU(), nn.Dropout(DROPPED),
            nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Dropout(DROPPED), last,
        )  # fmt: skip

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Descriptions of contents and styles (B DESCRIPTION each) to quadratic maps of colours, B TERMS 3."""
        both = torch.cat(torch.broadcast_tensors(content, style), 1)
        x = ((both - self.mean) / self.deviation).clamp(-LARGEST, LARGEST)
        return self.layers(x).unflatten(1, (TERMS, 3))


def description(image: Tensor) -> Tensor:
    """The colours of a picture (B 3 H W in 0..1) in numbers, B DESCRIPTION."""
    colours = image.flatten(2)[:, :, ::STEP].float()
    red, green, blue = colours.unbind(1)
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    mean = colours.mean(2, keepdim=True)
    covariance = (colours - mean) @ (colours - mean).mT / colours.shape[2]
    upper = torch.triu_indices(3, 3, device=image.device)
    saturation = colours.amax(1) - colours.amin(1)
    levels = quantiles(torch.cat((colours, light[:, None]), 1), QUANTILES)
    return torch.cat(
        (
            mean[..., 0],
            covariance[:, upper[0], upper[1]].mul(10),
            levels.flatten(1),
            quantiles(saturation[:, None], SATURATION).flatten(1),
            chroma_by_luma(torch.stack((red - light, blue - light), 1), light).flatten(1),
        ),
        1,
    )


def quantiles(values: Tensor, shares: tuple[float, ...]) -> Tensor:
    """The quantiles of B C N, without interpolation: B C and one for each share."""
    places = [round(share * (values.shape[2] - 1)) for share in shares]
    return values.sort(2).values[:, :, places]


def chroma_by_luma(chroma: Tensor, light: Tensor) -> Tensor:
    """The mean chroma (of B 2 N) around each luma of BANDS, and how many pixels are there: B 3 BANDS."""
    bands = torch.tensor(BANDS, device=light.device)[:, None]
    weights = torch.exp(-(((light[:, None] - bands) / BAND_WIDTH) ** 2))  # B BANDS N
    count = weights.mean(2)
    found = chroma @ weights.mT / (weights.sum(2)[:, None] + 1e-3 * light.shape[1])
    return torch.cat((3 * found, count[:, None]), 1)
