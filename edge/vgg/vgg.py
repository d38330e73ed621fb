"""VGG-19 up to relu4_1, frozen: the teacher of model `grid`, the encoder of model `paper`."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.vgg.vgg_files import read

#: Convolutions that take their input pooled.
POOLED = ("2_1", "3_1", "4_1")


class VGG(nn.Module):
    """Features after ReLU, by name: "1_1" ... "3_4", and "4_1" where the file has it."""

    mean: Tensor

    def __init__(self, file: Path | None = None) -> None:
        """Files: see `edge.vgg.vgg_files`; None downloads. Raises ValueError where there are no weights to be had."""
        super().__init__()
        weights = read(file)
        self.layers = nn.ModuleDict({name: convolution(*layer) for name, layer in weights.layers.items()})
        self.register_buffer("mean", weights.mean.view(1, 3, 1, 1))
        self.requires_grad_(False)

    def forward(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """B 3 H W in 0..1; runs no deeper than the last name asked for."""
        x, found = (image - self.mean).to(next(self.parameters()).dtype), {}
        for name, layer in self.layers.items():
            if name in POOLED:
                x = F.max_pool2d(x, 2)
            x = F.relu(layer(x))
            if name in names:
                found[name] = x
            if len(found) == len(names):
                break
        return found


def convolution(kernel: Tensor, bias: Tensor) -> nn.Conv2d:
    layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1, padding_mode="reflect")
    layer.weight.data = kernel.contiguous(memory_format=torch.channels_last)
    assert layer.bias is not None
    layer.bias.data = bias
    return layer
