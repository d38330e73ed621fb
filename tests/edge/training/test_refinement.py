"""Refining one photo's grid lowers its losses and keeps what the model promises."""

import numpy as np
import pytest
import torch

from clients.reassembly.grid import apply_grid
from edge.grid_model.stylizer import GridStylizer
from edge.training.refinement import Refinement
from edge.training.retraining import encoder_features

STEPS = 6


@pytest.fixture(scope="module")
def stylizer():
    return GridStylizer.load(device="cpu")


@pytest.fixture(scope="module")
def features():
    return encoder_features()


def blobs(seed, height=48, width=64):
    small = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    large = torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)
    return (large[0].permute(1, 2, 0) * 255).byte().numpy()


def test_it_begins_with_the_network_s_grid(stylizer, features):
    content, style = blobs(0), blobs(1)

    grid = Refinement(stylizer, content, style, features).grid()

    network = stylizer.stylize(content, stylizer.style(style))
    assert np.abs(apply_grid(content, grid).astype(int) - apply_grid(content, network)).max() <= 1


def test_each_step_gives_the_losses_and_they_fall(stylizer, features):
    refinement = Refinement(stylizer, blobs(0), blobs(1), features)

    losses = list(refinement.steps(STEPS))

    assert len(losses) == STEPS and losses[-1] < 0.9 * losses[0]
    assert refinement.grid().dtype == np.float16 and refinement.grid().shape == (3, 8, 12, 16, 4)


def test_a_black_and_white_style_leaves_no_colour(stylizer, features):
    content, style = blobs(0), blobs(1)[..., :1].repeat(3, 2)
    refinement = Refinement(stylizer, content, style, features)

    losses = list(refinement.steps(STEPS))

    result = apply_grid(content, refinement.grid())
    assert losses[-1] < losses[0] and (result.max(2) - result.min(2)).max() <= 1


def test_parts_of_one_colour_are_changed_alike_wherever_they_are(stylizer, features):
    content = np.full((48, 64, 3), 90, np.uint8)
    content[:, 24:40] = (200, 60, 30)  # parts the grey surface into two
    content[:24, :24] += 3
    refinement = Refinement(stylizer, content, blobs(1), features)
    before = apply_grid(content, refinement.grid()).astype(int)

    list(refinement.steps(STEPS))

    change = apply_grid(content, refinement.grid()) - before
    assert np.abs(change).max() > 5
    assert np.abs(change[30:, 4:16].mean((0, 1)) - change[30:, 48:60].mean((0, 1))).max() < 2


@pytest.mark.parametrize("height, width", [(1, 1), (4, 900), (300, 211)])
def test_every_size_gives_a_finite_grid(stylizer, features, height, width):
    refinement = Refinement(stylizer, blobs(0, height, width), blobs(1), features)

    list(refinement.steps(2))

    assert np.isfinite(refinement.grid()).all()
