import pytest
import torch

from edge.features import deviation, mean
from edge.paper_model.feature_transforms import ALPHA, FORMS, adain, attention, literal, residual, wct


def features(seed, channels=6, height=20, width=28):
    """Random features that are smooth and rectified, like VGG's."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(2, channels, 5, 7, generator=generator) * 3 + 2
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear").relu()


def test_literal_is_the_printed_sum_over_the_number_of_its_terms():
    x, y = features(0), features(1)
    terms = y.flatten(2)[:, :, None, :] - x.flatten(2)[:, :, :, None]  # B C k m

    assert torch.allclose(literal(x, y), terms.mean(3).view_as(x), atol=1e-5)
    assert torch.allclose(literal(x, y), mean(y) - x)


def test_residual_moves_the_mean_by_alpha_and_keeps_the_rest_of_the_contrast():
    x, y = features(0), features(1)

    z = residual(x, y)

    assert torch.allclose(mean(z), (1 - ALPHA) * mean(x) + ALPHA * mean(y), atol=1e-5)
    assert torch.allclose(deviation(z), (1 - ALPHA) * deviation(x), atol=1e-3)
    assert torch.allclose(residual(x, y, alpha=1.0), mean(y).expand_as(x), atol=1e-5)


@pytest.mark.parametrize("form", [adain, wct])
def test_the_style_s_mean_and_deviation_come_out(form):
    x, y = features(0), features(1, height=16, width=16)

    z = form(x, y)

    assert torch.allclose(mean(z), mean(y), atol=1e-3)
    assert torch.allclose(deviation(z), deviation(y), rtol=0.1)


@pytest.mark.parametrize("form", [adain, wct, attention])
def test_content_in_its_own_style_stays_as_it_is(form):
    x = features(0)

    assert torch.allclose(form(x, x), x, atol=1e-3)


def test_content_in_its_own_style_keeps_its_mean_under_residual():
    x = features(0)

    assert torch.allclose(mean(residual(x, x)), mean(x), atol=1e-5)


def test_equal_weights_turn_attention_into_adain():
    x, y = features(0, height=32, width=32), features(1, height=32, width=32)

    assert torch.allclose(attention(x, y, temperature=1e6), adain(x, y), atol=0.02)


def test_attention_gives_like_to_like():
    """Two regions that swap places in the style still take the colours of their own kind."""
    x = torch.zeros(1, 4, 16, 16)
    x[:, 0, :, :8], x[:, 1, :, 8:] = 1.0, 1.0
    y = x.flip(3) * torch.tensor([5.0, 2.0, 1.0, 1.0]).view(1, 4, 1, 1)

    z = attention(x, y)

    assert torch.allclose(z[0, :2, 4, 2], torch.tensor([5.0, 0.0]), atol=0.1)
    assert torch.allclose(z[0, :2, 4, 13], torch.tensor([0.0, 2.0]), atol=0.1)


@pytest.mark.parametrize("form", FORMS.values())
def test_flat_features_stay_finite(form):
    flat = torch.full((1, 6, 4, 4), 2.0)

    for x, y in ((flat, flat), (flat, features(1)[:1]), (features(0)[:1], flat)):
        assert form(x, y).isfinite().all()
