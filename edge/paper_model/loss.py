"""The loss that trains model `paper`: Eq. 5 of the paper."""

import random

import torch.nn.functional as F
from torch import Tensor

from edge.paper_model.model import PaperModel, network_side
from edge.training.losses import equation5, vgg_features

#: The weight of the style loss, as in the paper, which does not tune it.
LAMBDA = 1.0
#: Factors r that training draws from.
SMALLEST_FACTOR, LARGEST_FACTOR = 1.0, 2.0


def train_paper(model: PaperModel, content: Tensor, style: Tensor, rng: random.Random) -> dict[str, Tensor]:
    """The losses, by name, of photos (B 3 H W in 0..1 each) that are reduced by a random r and enlarged by the model.

    The output is compared with the photos before they were reduced, which are the sharpest R^r(I_c) and R^r(I_s).
    """
    height, width = content.shape[2:]
    factor = rng.uniform(SMALLEST_FACTOR, LARGEST_FACTOR)
    size = network_side(height, factor), network_side(width, factor)
    small_content, small_style = (F.interpolate(x, size, mode="bilinear", antialias=True) for x in (content, style))
    output = model(small_content, model.encode(small_style), height, width)
    return equation5(vgg_features(model.encoder), output, content, style, style_weight=LAMBDA)
