"""Model `grid`: encoder, colorization, decoder, meta-smoothing."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.colorization import Colorization, Likeness, StyleStatistics, normalized, regions, statistics
from edge.decoder import Decoder
from edge.encoder import WIDTHS, Encoder
from edge.grid import CELL, DEPTH
from edge.smoothing import MetaSmoothing


class GridModel(nn.Module):
    """Content picture and style statistics to a bilateral grid of colour transforms.

    The decoder draws the content twice, in its own colours and in the style's; the grid is fitted to the difference. So
    what the decoder cannot draw cancels out, and a picture in its own style gets the identity, exactly.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.likeness = Likeness()
        self.colorization = nn.ModuleList(Colorization(width) for width in reversed(WIDTHS))
        self.decoder = Decoder()
        self.smoothing = MetaSmoothing()

    def forward(self, content: Tensor, style: StyleStatistics) -> Tensor:
        """B 3 H W in 0..1, sides multiples of 16, to B 3 D R C 4."""
        return self.smoothing.solve(self.equations(content, style))

    def equations(self, content: Tensor, style: StyleStatistics) -> Tensor:
        """The normal equations of the fit, B 4 7 D R C: what may be averaged over time before it is solved."""
        plain, coloured = self.draw(self.encoder(content), style)
        small = F.interpolate(content, scale_factor=0.5, mode="bilinear")  # means of 2x2, faster than avg_pool2d
        rows, columns = content.shape[2] // CELL, content.shape[3] // CELL
        return self.smoothing.collect(small, small + (coloured.float() - plain.float()), DEPTH, rows, columns)

    def style(self, image: Tensor) -> StyleStatistics:
        """B 3 H W to the statistics of every level the decoder passes through when it draws the style itself."""
        seen = []

        def look(level: int, features: Tensor) -> Tensor:
            seen.append(statistics(features))
            return features

        self.decoder(self.encoder(image), look)
        return tuple(seen)

    def draw(self, taps: list[Tensor], style: StyleStatistics) -> tuple[Tensor, Tensor]:
        """The content as it is and recoloured, B 3 H/2 W/2 each; both in one batch, since that is faster."""

        shown = normalized(regions(taps[-1]))
        own, other = self.likeness(shown, shown), self.likeness(shown, normalized(style[0].regions))

        def recolour(level: int, features: Tensor) -> Tensor:
            plain, coloured = features.chunk(2) if level else (features, features)
            return torch.cat((plain, self.colorization[level](plain, coloured, style[level], own, other)))

        plain, coloured = self.decoder(taps, recolour).chunk(2)
        return plain, coloured
