"""Stand-ins for what the first training needs: VGG-19's layers with random weights, and photos."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from edge.vgg.vgg_files import PLACES, WIDTHS, keras


def write_vgg(path: Path, deepest: str = "3_4") -> Path:
    """Write random weights as .npz in Keras's layout, or as .safetensors or .pth in torchvision's."""
    layers = random_layers(deepest)
    if path.suffix == ".npz":
        kernels = {f"{keras(name)}/kernel": kernel.permute(2, 3, 1, 0).numpy() for name, kernel in layers.items()}
        biases = {f"{keras(name)}/bias": np.zeros(len(kernel), np.float32) for name, kernel in layers.items()}
        np.savez(path, **kernels, **biases)
    else:
        state = {f"features.{PLACES[name]}.weight": kernel for name, kernel in layers.items()}
        state |= {f"features.{PLACES[name]}.bias": torch.zeros(len(kernel)) for name, kernel in layers.items()}
        (save_file if path.suffix == ".safetensors" else torch.save)(state, path)
    return path


def write_photos(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """Write photos of coloured blobs, always the same ones, to a new folder of this name."""
    folder.mkdir()
    for i in range(count):
        blobs = torch.rand(5, 7, 3, generator=torch.Generator().manual_seed(i)).mul(255).byte().numpy()
        Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def random_layers(deepest: str) -> dict[str, Tensor]:
    """Random kernels (out in 3 3) and biases, always the same ones."""
    generator, layers, inputs = torch.Generator().manual_seed(0), {}, 3
    for name, width in WIDTHS.items():
        if name <= deepest:
            layers[name] = torch.randn(width, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
            inputs = width
    return layers
