"""The closed forms that benchmarks compare the model with."""

import numpy as np
import pytest

from edge.grid_model.smoothing import MetaSmoothing
from support.pictures.recolouring import mean_deviation, moments, monge_kantorovich, oracle_grid


def noise(seed, mix):
    """A picture of correlated colours, well inside of 0..255."""
    plain = np.random.default_rng(seed).normal(0, 12, (60, 80, 3))
    return (plain @ np.array(mix) + 128).clip(0, 255).astype(np.uint8)


CONTENT = noise(0, [[1, 0.4, 0], [0, 1, 0.3], [0.2, 0, 1]])
STYLE = noise(1, [[0.5, 0, 0.4], [0.3, 0.9, 0], [0, 0.5, 0.6]]) // 2 + 40


def test_the_monge_kantorovich_map_gives_the_style_s_mean_and_covariance():
    result = moments(monge_kantorovich(CONTENT, STYLE))

    for found, wanted in zip(result, moments(STYLE), strict=True):
        np.testing.assert_allclose(found, wanted, atol=0.6)


def test_it_moves_colours_no_further_than_any_other_such_map():
    moved, other = monge_kantorovich(CONTENT, STYLE), monge_kantorovich(CONTENT[..., ::-1], STYLE)

    distances = [((output - CONTENT.astype(float)) ** 2).mean() for output in (moved, other)]
    assert distances[0] < distances[1]


def test_mean_and_deviation_are_the_style_s():
    result = mean_deviation(CONTENT, STYLE)

    np.testing.assert_allclose(result.mean((0, 1)), STYLE.mean((0, 1)), atol=0.6)
    np.testing.assert_allclose(result.std((0, 1)), STYLE.std((0, 1)), atol=0.6)


@pytest.mark.parametrize("method", [mean_deviation, monge_kantorovich])
def test_a_flat_picture_does_no_harm(method):
    flat = np.full((8, 8, 3), 90, np.uint8)

    np.testing.assert_allclose(method(flat, CONTENT), CONTENT.mean((0, 1)) * np.ones((8, 8, 3)), atol=1)
    assert np.ptp(method(CONTENT, flat)) <= 2


def test_the_oracle_comes_near_a_truth_that_a_grid_can_draw():
    truth = (CONTENT * 0.7 + 20).round().astype(np.uint8)

    assert np.abs(oracle_grid(CONTENT, truth, MetaSmoothing()).astype(int) - truth).mean() < 1
