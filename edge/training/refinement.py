"""Refines the grid of one photo: its coefficients are optimised from the network's, which takes about a minute.

The network has milliseconds to guess what suits a picture and a style. Here the losses themselves decide.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edge.grid_model.encoder import STRIDES
from edge.grid_model.grid import slice_grid
from edge.grid_model.neutrality import chroma_of, followed_by, holding_back
from edge.grid_model.smoothing import MetaSmoothing, mean_colours, share_among_layers, share_among_places
from edge.grid_model.stylizer import LARGEST, GridStylizer, faster_type, to_tensor
from edge.training.adam import Adam
from edge.training.losses import (
    Features,
    edge_loss,
    glow,
    grid_roughness,
    out_of_range,
    patchiness,
    place_deviation,
    style_distance,
    style_moments,
    unnatural_skin,
    unnatural_sky,
)

#: Long side of the pictures that the losses see, in pixels.
LONG_SIDE = 256
#: The short side has at least as many: the windows of the edges' SSIM need them.
LEAST_SIDE = 32
#: Adam's learning rate at the first step, from which it falls to 0 along a cosine, and its betas.
RATE, BETAS = 0.02, (0.9, 0.99)
#: Added to the style distance between content and style, by which the style's loss is divided.
DISTANCE_FLOOR = 0.02
#: The weight of each loss. Edges weigh three times as much as in training, and the last three are weaker there or
#: missing: a grid that is free to move buys style with blotches.
WEIGHTS = {
    "style": 2.4,
    "edges": 3.0,
    "range": 6.0,
    "skin": 14.0,
    "sky": 20.0,
    "glow": 100.0,
    "patchiness": 150.0,
    "roughness": 5.0,
    "places": 8.0,
}


class Refinement:
    """The grid of one photo and style (RGB uint8 H W 3 each), on its way from the network's to a better one.

    `features` are those by which the style is compared; they must be on the stylizer's device. Cells of like colour
    share what is changed, as they share the equations of the fit: free cells paint a wall pink here and green there.
    """

    def __init__(self, stylizer: GridStylizer, content: np.ndarray, style: np.ndarray, features: Features) -> None:
        self._device, self._features = stylizer.device, features
        self._content, wanted = small(content, self._device), small(style, self._device)
        grid = stylizer.stylize(content, stylizer.style(style))
        self._start = torch.from_numpy(grid)[None].float().to(self._device)
        self._free = torch.zeros_like(self._start, requires_grad=True)
        with torch.no_grad():
            self._limits = chroma_of(wanted)
            self._colours = cell_colours(stylizer.model.smoothing, self._content, self._start)
            self._own, self._wanted = (style_moments(features(image)) for image in (self._content, wanted))

    def steps(self, count: int) -> Iterator[float]:
        """Take `count` steps; each gives the sum of the losses before it."""
        optimizer, faster = Adam([self._free], RATE, BETAS), faster_type(self._device)
        for step in range(count):
            optimizer.rate = RATE * (1 + math.cos(math.pi * step / count)) / 2
            optimizer.zero_grad()
            with torch.autocast(self._device, faster, enabled=faster != torch.float32):
                loss = torch.stack(list(self._losses().values())).sum()
            loss.backward()
            optimizer.step()
            yield loss.item()

    @torch.no_grad()
    def grid(self) -> np.ndarray:
        """The grid so far, float16 3 D R C 4."""
        return np.ascontiguousarray(self._refined()[0].clamp(-LARGEST, LARGEST).half().cpu().numpy())

    def _refined(self) -> Tensor:
        """The grid so far, B 3 D R C 4, its colours held back to the style's as the model's own are."""
        cells = self._free.movedim(5, 2).flatten(1, 2)  # B 12 D R C
        shared = share_among_places(share_among_layers(cells, self._colours), self._colours)
        grid = self._start + shared.unflatten(1, (3, 4)).movedim(2, 5)
        return followed_by(grid, holding_back(slice_grid(grid, self._content), self._limits))

    def _losses(self) -> dict[str, Tensor]:
        grid, content = self._refined(), self._content
        output = slice_grid(grid, content)
        seen = output.clamp(0, 1)
        distance = style_distance(style_moments(self._features(seen)), self._wanted)
        losses = {
            "style": (distance / (style_distance(self._own, self._wanted) + DISTANCE_FLOOR)).mean(),
            "edges": edge_loss(seen, content),
            "range": out_of_range(output),
            "skin": unnatural_skin(seen, content),
            "sky": unnatural_sky(seen, content),
            "glow": glow(output, content),
            "patchiness": patchiness(output, content),
            "roughness": grid_roughness(grid),
            "places": place_deviation(grid),
        }
        return {name: WEIGHTS[name] * loss for name, loss in losses.items()}


def cell_colours(smoothing: MetaSmoothing, content: Tensor, grid: Tensor) -> Tensor:
    """The mean colour of what each cell of a grid (B 3 D R C 4) sees of a content (B 3 H W): B 3 D R C."""
    sums = smoothing.borrow(smoothing.collect(content, content, *grid.shape[2:5]))
    return mean_colours(sums.flatten(1, 2))


def small(image: np.ndarray, device: str) -> Tensor:
    """A picture (RGB uint8 H W 3) as 1 3 H W in 0..1, with LONG_SIDE pixels along its long side.

    Both are multiples of the encoder's stride.
    """
    scale = LONG_SIDE / max(image.shape[:2])
    size = [max(LEAST_SIDE, round(n * scale / STRIDES[-1]) * STRIDES[-1]) for n in image.shape[:2]]
    return F.interpolate(to_tensor(image, device) / 255, size=size, mode="bilinear", antialias=True).clamp(0, 1)
