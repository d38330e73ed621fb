"""VGG-19 up to relu4_1, frozen. It is the teacher of model `grid` and the encoder of model `paper`."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.vgg.vgg_files import read

#: The convolutions whose input is pooled.
POOLED = ("2_1", "3_1", "4_1")


class VGG(nn.Module):
    """Gives features after ReLU, by layer name: "1_1" … "3_4", and "4_1" if the file has it."""

    mean: Tensor

    def __init__(self, file: Path | None = None) -> None:
        """The weights come from a file, see `edge.vgg.vgg_files.read`, or are downloaded if there is none.

        Raises ValueError if there are no weights to be had.
        """
        super().__init__()
        weights = read(file)
        self.layers = nn.ModuleDict({name: convolution(*layer) for name, layer in weights.layers.items()})
        self.register_buffer("mean", weights.mean.view(1, 3, 1, 1))
        self.requires_grad_(False)

    def forward(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """A picture (B 3 H W in 0..1) to the features of the named layers. It runs no deeper than the last of them."""
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
