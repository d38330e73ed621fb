"""The paper's decoder: VGG's layers in reverse, from the bottleneck to a picture."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.grid_model.encoder import conv3
from edge.vgg.vgg import POOLED
from edge.vgg.vgg_files import WIDTHS


class MirroredDecoder(nn.Module):
    """Has one convolution for each of the encoder's, from that one's output channels to its input channels."""

    unit: Tensor

    def __init__(self, bottleneck: str) -> None:
        """`bottleneck` names the encoder's last layer: "3_1", or "4_1"."""
        super().__init__()
        self.layers = nn.ModuleDict()
        for name, inputs, outputs in reversed(convolutions(bottleneck)):
            self.layers[name] = conv3(outputs, inputs)
        self.register_buffer("unit", torch.tensor(1.0))  # the scale of the features, in which VGG files differ

    def forward(self, features: Tensor) -> Tensor:
        """Features B C H/4 W/4 (of layer 4_1: H/8 W/8) to a picture B 3 H W, in about 0..1."""
        x = (features / self.unit).to(next(self.parameters()).dtype)
        for name, layer in self.layers.items():
            x = step(name, layer(x))
        return x


def step(name: str, x: Tensor) -> Tensor:
    """What follows the mirror of a convolution: ReLU, except after the last, and doubling where the encoder pooled."""
    x = x if name == "1_1" else F.relu(x)
    return F.interpolate(x, scale_factor=2) if name in POOLED else x


def convolutions(last: str) -> list[tuple[str, int, int]]:
    """The encoder's convolutions down to `last`: their names, input channels and output channels."""
    names = list(WIDTHS)[: list(WIDTHS).index(last) + 1]
    widths = [WIDTHS[name] for name in names]
    return list(zip(names, [3, *widths[:-1]], widths, strict=True))
