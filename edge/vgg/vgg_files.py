"""Reads VGG-19's convolutions from any of several kinds of files, and makes them all take RGB in 0..1."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

#: Convolution -> output channels. A file may end after 3_4; if it has 4_1, that is used, too.
WIDTHS = {"1_1": 64, "1_2": 64, "2_1": 128, "2_2": 128, "3_1": 256, "3_2": 256, "3_3": 256, "3_4": 256, "4_1": 512}
NEEDED = tuple(WIDTHS)[:-1]
#: Convolution -> its place among the layers of torchvision's `features`.
PLACES = dict(zip(WIDTHS, (0, 2, 5, 7, 10, 12, 14, 16, 19), strict=True))
#: What torchvision's network subtracts from RGB in 0..1, and what it divides the result by.
TORCHVISION_MEAN, TORCHVISION_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: The mean that was subtracted for the original network, trained on blue, green, red in 0..255; here in RGB order.
MEAN_RGB = (123.68, 116.779, 103.939)


class Weights(NamedTuple):
    """By name, the kernel (out in 3 3) and bias of each convolution, for RGB in 0..1 minus `mean`."""

    layers: dict[str, tuple[Tensor, Tensor]]
    mean: Tensor


def read(file: Path | None) -> Weights:
    """Read a .npz file in Keras's layout, or a .safetensors file or .pth state dict in torchvision's.

    Without a file, torchvision's weights are downloaded. Raises ValueError if the file cannot be read or holds other
    weights, or if the download fails.
    """
    if file is None:
        return from_torchvision(downloaded())
    try:
        weights = READERS.get(file.suffix.lower(), read_state_dict)(file)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    except Exception as error:  # a foreign file can break its reader in any way
        raise ValueError(f"{file} holds no VGG-19 weights as Keras .npz, torchvision .pth or .safetensors") from error
    check(file, weights.layers)
    return weights


def check(file: Path, layers: dict[str, tuple[Tensor, Tensor]]) -> None:
    """Raise ValueError if a convolution is missing or has another shape, as in VGG-16."""
    missing, inputs = [name for name in NEEDED if name not in layers], 3
    if missing:
        raise ValueError(f"{file} holds no VGG-19 weights: convolution {missing[0]} is missing")
    for name, (kernel, bias) in layers.items():
        if kernel.shape != (WIDTHS[name], inputs, 3, 3) or bias.shape != (WIDTHS[name],):
            raise ValueError(f"{file} holds no VGG-19 weights: convolution {name} has shape {tuple(kernel.shape)}")
        inputs = WIDTHS[name]


def downloaded() -> dict[str, Tensor]:
    """torchvision's weights, 575 MB. They are fetched once, checked by their hash, and kept in torch's own folder."""
    from torchvision.models import VGG19_Weights  # this import takes most of a second

    try:
        return VGG19_Weights.DEFAULT.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"VGG-19 could not be downloaded ({error}); name a file with --vgg") from error


def read_keras(file: Path) -> Weights:
    layers = {}
    with np.load(file, allow_pickle=False) as arrays:
        for name in (name for name in WIDTHS if f"{keras(name)}/kernel" in arrays):
            kernel = torch.from_numpy(arrays[f"{keras(name)}/kernel"]).permute(3, 2, 0, 1).float()  # from H W in out
            layers[name] = kernel, torch.from_numpy(arrays[f"{keras(name)}/bias"]).float()
    kernel, bias = layers["1_1"]
    layers["1_1"] = kernel.flip(1) * 255, bias
    return Weights(layers, torch.tensor(MEAN_RGB) / 255)


def read_safetensors(file: Path) -> Weights:
    return from_torchvision(load_file(file))


def read_state_dict(file: Path) -> Weights:
    return from_torchvision(torch.load(file, map_location="cpu", weights_only=True))


def from_torchvision(state: dict[str, Tensor]) -> Weights:
    """The weights from the state dict of torchvision's whole network, or of its `features`."""
    state = {name.removeprefix("features."): tensor for name, tensor in state.items()}
    layers = {
        name: (state[f"{PLACES[name]}.weight"].float(), state[f"{PLACES[name]}.bias"].float())
        for name in WIDTHS
        if f"{PLACES[name]}.weight" in state
    }
    kernel, bias = layers["1_1"]
    layers["1_1"] = kernel / torch.tensor(TORCHVISION_STD).view(1, 3, 1, 1), bias
    return Weights(layers, torch.tensor(TORCHVISION_MEAN))


def keras(name: str) -> str:
    """Keras's name for a convolution: block1_conv1 for 1_1."""
    return f"block{name.replace('_', '_conv')}"


READERS = {".npz": read_keras, ".safetensors": read_safetensors}
