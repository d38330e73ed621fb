"""Trains an edge's copy of the model with torch. It is imported only when needed, since it takes seconds and 300 MB."""

import logging
import random
from collections.abc import Sequence

import numpy as np
import torch

from cloud.federated.fedavg import read, write
from edge.grid_model.weights import SHIPPED, load
from edge.training.retraining import Retraining, encoder_features, features_from, random_crops, squeezed
from pipeline.contract.settings import Settings
from workers.process.gpu_pages import forget_gpu_libraries

logger = logging.getLogger(__name__)

#: A key frame and its style, RGB uint8 H W 3 each.
Pair = tuple[np.ndarray, np.ndarray]


class Learner:
    """An edge's copy of the model in training. Its interface consists of pictures and files, without torch's types."""

    def __init__(self, settings: Settings, seed: int = 0) -> None:
        torch.set_num_threads(settings.train_threads)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        features = features_from(settings.vgg, device) if settings.vgg else encoder_features(device=device)
        self._retraining = Retraining(load(SHIPPED)[0], features, device, settings.train_rate)
        self._random = random.Random(seed)
        if device == "cpu":
            forget_gpu_libraries()

    @property
    def num_examples(self) -> int:
        """How many images were used for training since the last global was adopted."""
        return self._retraining.num_examples

    def adopt(self, file: bytes) -> None:
        """Start again from a global's safetensors file. Raises ValueError for weights of another model."""
        self._retraining.adopt(read(file))

    def step(self, pairs: Sequence[Pair]) -> None:
        """Train one step on random crops of these key frames."""
        contents, styles = zip(*pairs, strict=True)
        self._retraining.step(random_crops(contents, self._random), squeezed(styles))

    def loss(self, pairs: Sequence[Pair]) -> float:
        """Return the mean of the paper's Eq. 5 over these key frames, without training on them."""
        return float(np.mean([self._retraining.loss(squeezed([c]), squeezed([s]))["total"] for c, s in pairs]))

    def file(self) -> bytes:
        """Return the trained weights as a safetensors file."""
        return write(self._retraining.weights())
