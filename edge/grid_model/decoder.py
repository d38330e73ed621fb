"""The decoder: from the coarsest tap back to a picture, with the content's high frequencies added at each level."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from edge.grid_model.encoder import WIDTHS, conv3, high_frequencies


class Decoder(nn.Module):
    """Four levels, coarse to fine; each can be recoloured before the next one is built on it."""

    def __init__(self) -> None:
        super().__init__()
        w1, w2, w3, w4 = WIDTHS
        self.stages = nn.ModuleList([Stage(w4, w3, scale=2), Stage(w3, w2, scale=2), Stage(w2, w1, scale=1)])
        self.picture = nn.Sequential(conv3(w1, w1), nn.ReLU(True), conv3(w1, 3))

    def forward(self, taps: list[Tensor], recolour: Callable[[int, Tensor], Tensor]) -> Tensor:
        """The encoder's taps to a picture at half scale, in about 0..1.

        `recolour(level, features)` gives each level's features; level 0 is the coarsest tap. It may return a batch that
        is a multiple of the content's, to draw several versions of it.
        """
        return self.picture(self.features(taps, recolour)) + 0.5

    def difference(self, taps: list[Tensor], recolour: Callable[[int, Tensor], Tensor]) -> Tensor:
        """The second picture minus the first, of the two versions that `recolour` makes of the content."""
        one, other = self.picture[:-1](self.features(taps, recolour)).chunk(2)
        last = self.picture[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        return last(other - one) - last.bias[:, None, None]  # the last layer is linear: it need not run twice

    def features(self, taps: list[Tensor], recolour: Callable[[int, Tensor], Tensor]) -> Tensor:
        """The features of the finest level, from which the picture is drawn."""
        x = recolour(0, taps[-1])
        for level, (stage, tap) in enumerate(zip(self.stages, reversed(taps[:-1]), strict=True), start=1):
            x = recolour(level, stage(x, high_frequencies(tap)))
        return x


class Stage(nn.Module):
    """One level up: convolve, enlarge, add the skip connection, refine."""

    def __init__(self, inputs: int, outputs: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.reduce = conv3(inputs, outputs)
        self.refine = nn.Sequential(nn.ReLU(), conv3(outputs, outputs))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.reduce(x)
        if self.scale > 1:
            x = F.interpolate(x, scale_factor=self.scale, mode="bilinear")
        x = (x.unflatten(0, (-1, len(skip))) + skip).flatten(0, 1)
        return self.refine(x).add_(x)
