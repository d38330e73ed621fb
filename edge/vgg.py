"""The teacher: VGG-19's first eight convolutions, frozen."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = ((1, 2), (2, 2), (3, 4))
#: The network was trained on blue, green, red in 0..255 with this mean taken off; ours come in RGB, 0..1.
MEAN_RGB = (123.68, 116.779, 103.939)


class VGG(nn.Module):
    """Features after ReLU, by name: "1_1" ... "3_4"."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        try:
            with np.load(file, allow_pickle=False) as arrays:
                for name in (f"{block}_{i + 1}" for block, count in BLOCKS for i in range(count)):
                    self.layers[name] = convolution(arrays[f"block{name.replace('_', '_conv')}/kernel"],
                                                    arrays[f"block{name.replace('_', '_conv')}/bias"])
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{file} holds no VGG-19 weights in Keras layout: {error}") from error
        first = self.layers["1_1"].weight
        first.data = first.data.flip(1) * 255
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1) / 255)
        self.requires_grad_(False)

    def forward(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """B 3 H W in 0..1; runs no deeper than the last name asked for."""
        x, found = image - self.mean, {}
        for name, layer in self.layers.items():
            if name in ("2_1", "3_1"):
                x = F.max_pool2d(x, 2)
            x = F.relu(layer(x))
            if name in names:
                found[name] = x
            if len(found) == len(names):
                break
        return found


def convolution(kernel: np.ndarray, bias: np.ndarray) -> nn.Conv2d:
    """From Keras: H W in out."""
    layer = nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1, padding_mode="reflect")
    layer.weight.data = torch.from_numpy(kernel).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    layer.bias.data = torch.from_numpy(bias)
    return layer
