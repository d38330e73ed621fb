"""The initial weights of the mirrored decoder: each convolution is fitted to invert its mirror image in the encoder.

The paper does not say how the decoder starts. From random weights, training takes hours to learn to draw at all.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.paper_model.decoder import step
from edge.paper_model.model import PaperModel
from edge.vgg.vgg import POOLED

#: The number of places that are sampled in each photo, and the ridge as a share of the inputs' mean power.
PLACES, RIDGE_SHARE = 1024, 1e-3


@torch.no_grad()
def initialize_decoder(model: PaperModel, photos: Tensor) -> None:
    """Fit the decoder's layers, one after another, to the inputs of the encoder's mirrored layers.

    `photos` (B 3 H W in 0..1, with H and W multiples of 8) are drawn in their own style.
    """
    decoder = model.decoder
    features = model.encoder(photos, tuple(decoder.layers))
    x = model.colorize(features[model.bottleneck], features[model.bottleneck])
    decoder.unit = x.std()
    x = x / decoder.unit
    for name, layer in decoder.layers.items():
        assert isinstance(layer, nn.Conv2d)
        wanted = taken_in(name, features, photos)
        fit(layer, x, wanted if name == "1_1" else wanted / wanted.std())
        x = step(name, layer(x))


def taken_in(name: str, features: dict[str, Tensor], photos: Tensor) -> Tensor:
    """The input of the encoder's convolution `name`."""
    names = sorted(features)
    before = photos if name == names[0] else features[names[names.index(name) - 1]]
    return F.max_pool2d(before, 2) if name in POOLED else before


def fit(layer: nn.Conv2d, x: Tensor, wanted: Tensor) -> None:
    """Set the layer's weights by ridge regression of `wanted` (B D H W) on the 3x3 neighbourhoods of x (B C H W)."""
    assert layer.bias is not None
    size = layer.weight[0].numel() + 1
    left, right = x.new_zeros(size, size), x.new_zeros(size, len(layer.bias))
    for one, answer in zip(x, wanted, strict=True):
        places = torch.randperm(answer[0].numel(), device=x.device)[:PLACES]
        patches = F.unfold(F.pad(one[None], (1, 1, 1, 1), mode="reflect"), 3)[0, :, places].T
        patches = F.pad(patches, (0, 1), value=1.0)
        left += patches.T @ patches
        right += patches.T @ answer.flatten(1)[:, places].T
    ridge = RIDGE_SHARE * left.diagonal().mean() * torch.eye(size, device=x.device)
    solution = torch.cholesky_solve(right, torch.linalg.cholesky(left + ridge)).T
    layer.weight.copy_(solution[:, :-1].view_as(layer.weight))
    layer.bias.copy_(solution[:, -1])
