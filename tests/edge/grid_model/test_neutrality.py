import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge.grid_model.grid import luma
from edge.grid_model.neutrality import WIDER, chroma, chroma_of, holding_back, mapped, spread

PICTURE = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))


def with_chroma(factor, tint=(0.0, 0.0, 0.0)):
    """PICTURE with its chroma times `factor`, and a tint."""
    y = luma(PICTURE)[:, None]
    return y + factor * (PICTURE - y) + torch.tensor(tint).view(3, 1, 1)


def held_back(target, style):
    return mapped(target, holding_back(target, chroma_of(style)))


def test_a_grey_style_leaves_no_colour():
    result = held_back(PICTURE, with_chroma(0.0))

    assert chroma(result).abs().max() < 1e-5


def test_a_style_of_as_much_colour_changes_no_bit():
    for style in (PICTURE, with_chroma(1.1), with_chroma(1.0).flip(3)):
        assert torch.equal(held_back(PICTURE, style), PICTURE)


@given(st.floats(0, 2), st.floats(-0.2, 0.2))
def test_luma_stays(factor, tint):
    result = held_back(PICTURE, with_chroma(factor, (tint, 0.0, -tint)))

    assert torch.allclose(luma(result), luma(PICTURE), atol=1e-5)


@pytest.mark.parametrize("factor", [0.02, 0.1, 0.3])
def test_a_faded_style_gets_its_tint_and_little_more(factor):
    style = with_chroma(factor, (0.06, 0.0, -0.06))

    result = held_back(PICTURE, style)

    wanted = chroma_of(style)
    assert (spread(chroma(result), wanted.mean) <= WIDER * 1.05 * wanted.variance).all()
    assert (chroma_of(result).mean - wanted.mean).norm() < (chroma_of(PICTURE).mean - wanted.mean).norm()


def test_more_colour_in_the_style_is_more_colour_in_the_picture_without_a_jump():
    amounts = [float(chroma_of(held_back(PICTURE, with_chroma(k))).variance.mean()) for k in np.linspace(0, 1.2, 61)]

    steps = np.diff(amounts)
    assert (steps >= -1e-7).all() and steps.max() < 0.1 * amounts[-1]


def test_the_map_can_be_learned_through():
    target = PICTURE.clone().requires_grad_(True)

    held_back(target, with_chroma(0.0)).square().sum().backward()

    assert target.grad.isfinite().all()
