"""Model `grid` as a whole: encoder, colorization, decoder, meta-smoothing."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.colour_maps.correspondence import Places, agreement, places, standardized
from edge.colour_maps.grade import Grade, description
from edge.colour_maps.quadratic import recoloured
from edge.grid_model.colorization import Colorization, Likeness, StyleStatistics, normalized, regions, statistics
from edge.grid_model.decoder import Decoder
from edge.grid_model.encoder import WIDTHS, Encoder
from edge.grid_model.grid import CELL, DEPTH
from edge.grid_model.neutrality import chroma_of, holding_back, mapped
from edge.grid_model.smoothing import MetaSmoothing


class GridModel(nn.Module):
    """From a content picture and style statistics to a bilateral grid of colour transforms.

    The decoder draws the content twice, in its own colours and in the style's, and the grid is fitted to the
    difference. So the decoder's errors cancel out, and a picture in its own style gets exactly the identity. Under a
    grey style, the result is grey by construction (see `neutrality`).
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.likeness = Likeness()
        self.colorization = nn.ModuleList(Colorization(width) for width in reversed(WIDTHS))
        self.decoder = Decoder()
        self.smoothing = MetaSmoothing()
        self.grade = Grade()

    def forward(self, content: Tensor, style: StyleStatistics) -> Tensor:
        """B 3 H W in 0..1, with sides that are multiples of 8 and at least 16, to a grid B 3 D R C 4."""
        return self.smoothing.solve(self.equations(content, style))

    def equations(self, content: Tensor, style: StyleStatistics) -> Tensor:
        """The normal equations of the fit, B 4 7 D R C. They may be averaged over time before they are solved.

        One content may be given several styles; it is encoded only once.
        """
        seen = self.places(content)
        taps, size = self.encoder(content), (max(len(content), len(style.chroma.mean)), -1, -1, -1)
        content, taps = content.expand(size), [tap.expand(size) for tap in taps]
        small = fitted(content)
        target = small + self.change(taps, style)[:, :, ::2]
        if (style.mood < 1).any():
            target = torch.lerp(self.graded(small, style), target, style.mood[:, None, None, None])
        target = agreement(seen, style.places).blend(small, target)
        colours = holding_back(target, style.chroma)
        rows, columns = (round(side / CELL) for side in content.shape[2:])
        sums = self.smoothing.collect(small, mapped(target, colours), DEPTH, rows, columns)
        return self.smoothing.prefer(sums, colours)

    def style(self, image: Tensor) -> StyleStatistics:
        """A style picture (B 3 H W in 0..1) to what is kept of it; the decoder draws it as it is."""
        seen = []

        def look(level: int, features: Tensor) -> Tensor:
            seen.append(statistics(features))
            return features

        self.decoder(self.encoder(image), look)
        small, mirrored = fitted(image), image.flip(3)
        return StyleStatistics(
            levels=tuple(seen),
            places=(self.places(image), self.places(mirrored)),
            description=description(small),
            chroma=chroma_of(small),
            mood=image.new_ones(len(image)),
        )

    def graded(self, small: Tensor, style: StyleStatistics) -> Tensor:
        """What the fit reads of the content (B 3 H W), under the grade that the style seems to have."""
        return recoloured(small, self.grade(description(small), style.description))

    def places(self, image: Tensor) -> Places:
        """What is seen at the places of a picture, B 3 H W in 0..1, whatever its grade."""
        return places(self.encoder(standardized(image)), image)

    def change(self, taps: list[Tensor], style: StyleStatistics) -> Tensor:
        """The content recoloured minus the content as it is, B 3 H/2 W/2, both drawn in one batch, which is faster."""
        shown = normalized(regions(taps[-1]))
        own, other = self.likeness(shown, shown), self.likeness(shown, normalized(style.levels[0].regions))

        def recolour(level: int, features: Tensor) -> Tensor:
            plain, coloured = features.chunk(2) if level else (features, features)
            return torch.cat((plain, self.colorization[level](plain, coloured, style.levels[level], own, other)))

        return self.decoder.difference(taps, recolour).float()


def fitted(image: Tensor) -> Tensor:
    """The pixels of B 3 H W that the fit reads: means of 2x2, and every other row of them, which is enough."""
    return F.interpolate(image, scale_factor=0.5, mode="bilinear")[:, :, ::2]
