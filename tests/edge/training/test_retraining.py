"""Retraining on an edge lowers Eq. 5, leaves the encoder alone, and gives weights that can be averaged."""

import random

import numpy as np
import pytest
import torch

from cloud.federated.fedavg import check
from edge.grid_model.model import GridModel
from edge.grid_model.weights import SHIPPED, is_trained, load
from edge.training.losses import equation5
from edge.training.retraining import (
    Retraining,
    encoder_features,
    features_from,
    guards,
    random_crops,
    squeezed,
)
from support.models.teacher import write_vgg

SIDE = 32


@pytest.fixture
def features():
    return encoder_features()


@pytest.fixture
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, 3, SIDE, SIDE), torch.rand(2, 3, SIDE, SIDE) * torch.tensor([1, 0.5, 0.2]).view(3, 1, 1)


def test_a_picture_has_no_content_loss_to_itself_and_no_style_loss_to_its_style(features, pictures):
    content, style = pictures

    assert equation5(features, content, content, style, style_weight=1)["content"] == 0
    assert equation5(features, style, content, style, style_weight=1)["style"] == 0
    assert all(loss > 0 for loss in equation5(features, content, style, style, style_weight=1).values())


def test_vgg_is_used_where_its_weights_are(tmp_path, pictures):
    features = features_from(write_vgg(tmp_path / "vgg.npz"))

    losses = equation5(features, *pictures, pictures[1], style_weight=1)

    assert [layer.shape[1] for layer in features(pictures[0])] == [64, 128, 256]
    assert all(loss.isfinite() for loss in losses.values())


def one_colour(*rgb: float) -> torch.Tensor:
    return torch.tensor(rgb).view(1, 3, 1, 1).expand(1, 3, SIDE, SIDE)


@pytest.mark.parametrize(
    ("name", "content", "output"),
    [
        ("skin", one_colour(0.8, 0.6, 0.5), one_colour(0.5, 0.6, 0.8)),
        ("sky", one_colour(0.3, 0.5, 0.8), one_colour(0.3, 0.8, 0.4)),
        ("glow", one_colour(0.5, 0.5, 0.5), torch.linspace(0, 1, SIDE).expand(1, 3, SIDE, SIDE)),
        ("range", one_colour(0.5, 0.5, 0.5), one_colour(0.5, 1.2, 0.5)),
    ],
)
def test_what_eyes_object_to_costs_something_and_the_picture_itself_nothing(name, content, output):
    assert guards(output, content)[name] > 0
    assert not any(guards(content, content).values())


def test_training_lowers_the_loss_and_leaves_the_encoder(features, pictures):
    retraining = Retraining(load(SHIPPED)[0], features)
    before, loss = {k: v.clone() for k, v in retraining.model.state_dict().items()}, retraining.loss(*pictures)

    for _ in range(8):
        retraining.step(*pictures)

    after = retraining.loss(*pictures)
    assert after["total"] < loss["total"] == pytest.approx(loss["content"] + loss["style"])
    assert retraining.num_examples == 16
    state = retraining.model.state_dict()
    changed = {name for name, tensor in state.items() if not torch.equal(tensor, before[name])}
    assert changed and all(is_trained(name) for name in changed)


def test_its_weights_are_float32_finite_and_come_back(features, pictures):
    first, second = Retraining(GridModel(), features), Retraining(GridModel(), features)
    first.step(*pictures)
    weights = first.weights()

    second.step(*pictures)
    second.adopt(weights)

    check(second.weights(), weights)
    assert all(np.array_equal(second.weights()[name], array) for name, array in weights.items())
    assert second.num_examples == 0
    assert not any(name.startswith("encoder.") for name in weights)


def test_weights_of_another_model_are_refused(features):
    retraining = Retraining(GridModel(), features)

    shorter = {name: array[:1] for name, array in retraining.weights().items()}
    for broken in ({"other": np.zeros(3, np.float32)}, shorter):
        with pytest.raises(ValueError, match="another model"):
            retraining.adopt(broken)


def test_a_step_that_is_not_finite_counts_for_nothing(features, pictures):
    retraining = Retraining(GridModel(), features)
    weights = retraining.weights()

    retraining.step(pictures[0] * torch.nan, pictures[1])

    assert retraining.num_examples == 0
    assert all(np.array_equal(retraining.weights()[name], array) for name, array in weights.items())


@pytest.mark.parametrize("shape", [(90, 160, 3), (160, 90, 3), (1, 1, 3), (7, 500, 3)])
def test_crops_of_any_picture_are_squares_in_0_to_1(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    for pixels in (random_crops([image, image], random.Random(0), SIDE), squeezed([image, image], SIDE)):
        assert pixels.shape == (2, 3, SIDE, SIDE)
        assert 0 <= pixels.min() and pixels.max() <= 1.0001


def test_the_same_seed_gives_the_same_crops():
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)

    assert torch.equal(*(random_crops([image], random.Random(3), SIDE) for _ in range(2)))
