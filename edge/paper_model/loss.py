"""Eq. 5 of the paper: what training asks of a stylized picture."""

import random

import torch.nn.functional as F
from torch import Tensor

from edge.paper_model.model import PaperModel, network_side
from edge.training.losses import equation5, vgg_features

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
    return equation5(vgg_features(model.encoder), output, content, style, style_weight=LAMBDA)
