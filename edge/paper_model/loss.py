"""Eq. 5 of the paper: what training asks of a stylized picture."""

import random

import torch
import torch.nn.functional as F
from torch import Tensor

from edge.features import normalized
from edge.paper_model.model import PaperModel, network_side
from edge.training.losses import STYLE_LAYERS, style_distance, style_moments
from edge.vgg.vgg import VGG

#: VGG layers that say what a picture shows. Normalised, since plain ones also hold the colours the style changes.
CONTENT_LAYERS = ("2_1", "3_1")
#: The paper does not tune it.
LAMBDA = 1.0
#: Factors r that training draws from.
SMALLEST_FACTOR, LARGEST_FACTOR = 1.0, 2.0


def train_paper(model: PaperModel, content: Tensor, style: Tensor, rng: random.Random) -> dict[str, Tensor]:
    """Losses of a batch of photos (B 3 H W each), reduced by a random r and enlarged again by the model.

    What comes out is compared with the photos as they were: they are R^r(I_c) and R^r(I_s) at their sharpest.
    """
    height, width = content.shape[2:]
    factor = rng.uniform(SMALLEST_FACTOR, LARGEST_FACTOR)
    size = network_side(height, factor), network_side(width, factor)
    small_content, small_style = (F.interpolate(x, size, mode="bilinear", antialias=True) for x in (content, style))
    output = model(small_content, model.encode(small_style), height, width)
    return equation5(model.encoder, output, content, style)


def equation5(vgg: VGG, output: Tensor, content: Tensor, style: Tensor) -> dict[str, Tensor]:
    """Perceptual distances: of features to the content's, of statistics to the style's (features would copy it)."""
    names = tuple(dict.fromkeys(CONTENT_LAYERS + STYLE_LAYERS))
    seen = vgg(output, names)
    with torch.no_grad():
        shown = vgg(content, CONTENT_LAYERS)
        wanted = style_moments(vgg(style, STYLE_LAYERS).values())
    apart = [F.mse_loss(normalized(seen[name].float()), normalized(shown[name].float())) for name in CONTENT_LAYERS]
    distance = style_distance(style_moments(seen[name] for name in STYLE_LAYERS), wanted)
    return {"content": torch.stack(apart).mean(), "style": LAMBDA * distance.mean()}
