"""A trainer's learner with the real model begins with a global model, learns at the given rate, and sends a file."""

from dataclasses import replace

import numpy as np
import pytest

from cloud.federated.fedavg import change, read
from edge.grid_model.weights import SHIPPED, is_trained
from pipeline.contract.settings import Settings
from workers.serving.learner import Learner

BASE = {name: array.astype(np.float32) for name, array in read(SHIPPED.read_bytes()).items() if is_trained(name)}


@pytest.fixture
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 2, 48, 64, 3), np.uint8)
    return [tuple(pair) for pair in pictures]


@pytest.mark.parametrize("rate", [1e-5, 1e-3])
def test_a_first_step_moves_weights_by_the_rate(pairs, rate):
    learner = Learner(replace(Settings(), train_rate=rate))
    learner.adopt(SHIPPED.read_bytes())

    learner.step(pairs)

    moved = np.abs(change(read(learner.file()), BASE))
    assert learner.num_examples == len(pairs)
    assert np.median(moved[moved > 0]) == pytest.approx(rate, rel=0.1)
    assert moved.max() <= 1.1 * rate


def test_its_loss_is_a_number_and_a_global_of_another_model_is_refused(pairs):
    learner = Learner(Settings())

    assert 0 < learner.loss(pairs) < 100
    with pytest.raises(ValueError, match="no safetensors file"):
        learner.adopt(b"rubbish")
