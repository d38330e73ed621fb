import torch
import torch.nn.functional as F

from edge.grid_model.encoder import STRIDES, WIDTHS, Encoder, high_frequencies


def test_taps_have_their_widths_and_scales():
    taps = Encoder()(torch.rand(2, 3, 48, 64))

    expected = [(2, width, 48 // stride, 64 // stride) for width, stride in zip(WIDTHS, STRIDES, strict=True)]
    assert [tuple(tap.shape) for tap in taps] == expected


def test_the_smallest_picture_has_finite_taps():
    assert all(tap.isfinite().all() for tap in Encoder()(torch.rand(1, 3, 16, 16)))


def test_a_constant_has_no_high_frequencies():
    assert high_frequencies(torch.full((1, 4, 8, 8), 0.7)).abs().max() < 1e-6


def test_high_frequencies_are_the_rest_of_a_mean():
    x = torch.rand(2, 4, 9, 11)
    mean = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, stride=1)

    assert torch.allclose(high_frequencies(x), x - mean, atol=1e-6)
