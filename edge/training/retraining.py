"""Retraining while serving: an edge trains its model on shared key frames by the paper's Eq. 5.

The encoder is frozen.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edge.grid_model.grid import slice_grid
from edge.grid_model.model import GridModel
from edge.grid_model.stylizer import faster_type, to_tensor
from edge.grid_model.weights import SHIPPED, is_trained, load
from edge.training.adam import Adam
from edge.training.losses import (
    Features,
    equation5,
    glow,
    out_of_range,
    unnatural_skin,
    unnatural_sky,
    vgg_features,
)
from edge.training.step import WEIGHTS, update
from edge.vgg.vgg import VGG

#: Adam's settings, from section 4.2 of the paper, and the norm to which gradients are clipped, for safety only.
RATE, BETAS, BATCH, CLIP = 1e-4, (0.5, 0.999), 2, 1.0
#: Lambda of Eq. 5. The paper has 1, but does not spell its distances out. With ours, 1 unlearns a third of the shipped
#: model's style in 100 steps; 4 keeps the content loss (0.547 to 0.550) and improves the style loss (0.120 to 0.103).
LAMBDA = 4.0
#: Side of the training pictures, in pixels. The short side of a key frame in the network's input has 144.
SIDE = 128
#: The smallest crop, as a share of the short side.
SMALLEST_CROP = 0.6


def features_from(file: Path, device: str = "cpu") -> Features:
    """VGG-19's features, with its weights from a file. Raises ValueError for a file that holds no such weights."""
    return vgg_features(VGG(file).to(device))


def encoder_features(weights: Path = SHIPPED, device: str = "cpu") -> Features:
    """The features of the shipped encoder, which was distilled from VGG-19 and is always at hand."""
    return load(weights)[0].encoder.to(device)


def guards(output: Tensor, content: Tensor) -> dict[str, Tensor]:
    """Losses for flaws that people notice and Eq. 5 does not, so that no edge unlearns what was trained first.

    Relative to the style loss, they weigh as much as in the first training.
    """
    seen = output.clamp(0, 1)
    found = {
        "skin": unnatural_skin(seen, content),
        "sky": unnatural_sky(seen, content),
        "glow": glow(output, content),
        "range": out_of_range(output),
    }
    return {name: LAMBDA / WEIGHTS["style"] * WEIGHTS[name] * loss for name, loss in found.items()}


class Retraining:
    """An edge's own copy of the model, and the number of images it has learned from since the last global model."""

    def __init__(self, model: GridModel, features: Features, device: str = "cpu", rate: float = RATE) -> None:
        self.model, self.num_examples = model.to(device), 0
        self._features, self._device, self._rate = features, device, rate
        self._faster = faster_type(device)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(is_trained(name))
        self._begin()

    def step(self, content: Tensor, style: Tensor) -> None:
        """Learn from a batch of pictures (B 3 H W in 0..1 each), unless a gradient is not finite."""
        content, style = content.to(self._device), style.to(self._device)
        with torch.autocast(self._device, self._faster, enabled=self._faster != torch.float32):
            output = self._stylized(content, style)
            losses = {**self._equation5(output, content, style), **guards(output, content)}
        if update(self.model, self._optimizer, losses, CLIP):
            self.num_examples += len(content)

    @torch.no_grad()
    def loss(self, content: Tensor, style: Tensor) -> dict[str, float]:
        """The losses of Eq. 5 by name (content, style and total), without learning from the pictures."""
        content, style = content.to(self._device), style.to(self._device)
        found = self._equation5(self._stylized(content, style), content, style)
        losses = {name: loss.item() for name, loss in found.items()}
        return {**losses, "total": sum(losses.values())}

    def weights(self) -> dict[str, np.ndarray]:
        """The weights that are trained, in float32, by name."""
        state = self.model.state_dict()
        return {name: state[name].float().cpu().numpy().copy() for name in filter(is_trained, state)}

    def adopt(self, weights: dict[str, np.ndarray]) -> None:
        """Start again from other weights: all of them, or the trained ones. Raises ValueError if they do not fit."""
        state = {name: torch.from_numpy(array.copy()).float() for name, array in weights.items()}
        try:
            self.model.load_state_dict({**self.model.state_dict(), **state})
        except RuntimeError as error:
            raise ValueError("these are weights of another model") from error
        self._begin()

    def _begin(self) -> None:
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self._optimizer, self.num_examples = Adam(trained, self._rate, BETAS), 0

    def _equation5(self, output: Tensor, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        return equation5(self._features, output.clamp(0, 1), content, style, style_weight=LAMBDA)

    def _stylized(self, content: Tensor, style: Tensor) -> Tensor:
        return slice_grid(self.model(content, self.model.style(style)), content)


def random_crops(images: Sequence[np.ndarray], rng: random.Random, side: int = SIDE) -> Tensor:
    """A random square of each picture (RGB uint8 H W 3), mirrored half of the time: B 3 side side in 0..1."""
    return torch.cat([random_crop(to_tensor(image, "cpu"), rng, side) for image in images])


def random_crop(pixels: Tensor, rng: random.Random, side: int) -> Tensor:
    height, width = pixels.shape[2:]
    size = max(1, round(min(height, width) * rng.uniform(SMALLEST_CROP, 1)))
    top, left = rng.randint(0, height - size), rng.randint(0, width - size)
    crop = resized(pixels[:, :, top : top + size, left : left + size], side)
    return crop.flip(3) if rng.random() < 0.5 else crop


def squeezed(images: Sequence[np.ndarray], side: int = SIDE) -> Tensor:
    """Whole pictures (RGB uint8 H W 3), squeezed to squares: B 3 side side in 0..1. This hardly changes statistics."""
    return torch.cat([resized(to_tensor(image, "cpu"), side) for image in images])


def resized(pixels: Tensor, side: int) -> Tensor:
    return F.interpolate(pixels.float() / 255, size=(side, side), mode="bilinear", antialias=True)
