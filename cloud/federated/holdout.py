"""The test that a new global model has to pass: Eq. 5 on pictures that no edge can choose."""

from collections.abc import Sequence

import numpy as np
import torch

from edge.grid_model.weights import parse
from edge.training.losses import Features
from edge.training.retraining import Retraining, squeezed

#: Frames of a clip, which are squares moving across its picture.
FRAMES = 2


class HoldOut:
    """A fixed set of clips. Each pans across a picture (RGB uint8 H W 3), with another one of them as its style."""

    def __init__(self, pictures: Sequence[np.ndarray], features: Features) -> None:
        frames = [frame for picture in pictures for frame in pan(picture)]
        turned = [*pictures[len(pictures) // 2 :], *pictures[: len(pictures) // 2]]
        self._content, self._features = squeezed(frames), features
        self._style = squeezed([style for style in turned for _ in range(FRAMES)])

    def loss(self, file: bytes) -> float:
        """The sum of content and style loss of a model in a safetensors file. Raises ValueError for any other file."""
        model, _ = parse(file)
        retraining = Retraining(model, self._features)
        pairs = zip(self._content.split(FRAMES), self._style.split(FRAMES), strict=True)
        return float(np.mean([retraining.loss(*pair)["total"] for pair in pairs]))


def pan(picture: np.ndarray) -> list[np.ndarray]:
    """`FRAMES` squares from one end of a picture to the other."""
    height, width = picture.shape[:2]
    side = min(height, width)
    steps = torch.linspace(0, 1, FRAMES).tolist()
    places = [(round((height - side) * step), round((width - side) * step)) for step in steps]
    return [picture[top : top + side, left : left + side] for top, left in places]
