import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.paper_model.smoothing import PixelSmoothing


def learned(seed=0):
    """A smoothing with random weights, as after training."""
    smoothing, generator = PixelSmoothing(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in smoothing.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return smoothing


@settings(max_examples=60)
@given(r=st.floats(0.3, 6), seed=st.integers(0, 9), value=st.floats(0, 1))
def test_a_constant_stays_constant_for_every_r(r, seed, value):
    height, width = max(1, round(12 * r)), max(1, round(17 * r))

    picture = learned(seed)(torch.full((1, 3, 12, 17), value), height, width)

    assert picture.shape == (1, 3, height, width)
    assert (picture - value).abs().max() < 1e-5


def test_r_1_is_a_plain_convolution():
    smoothing, image = learned(), torch.rand(1, 3, 16, 20)
    taps = smoothing.enlarge(torch.arange(-2.0, 3.0))
    taps = taps / taps.sum()
    meta_kernel = torch.outer(taps, taps).expand(3, 1, 5, 5)  # W_u^1

    with torch.no_grad():
        enlarged = smoothing.enlarge.upsample(image, 16, 20)

    assert torch.allclose(enlarged[..., 2:-2, 2:-2], F.conv2d(image, meta_kernel, groups=3), atol=1e-5)


@pytest.mark.parametrize("r", [2, 3, 4])
def test_integer_r_is_the_transposed_convolution_with_the_stretched_kernel(r):
    """It uses W_u^r(u) = psi(u / r), and divides by its result for ones, which is the factor r of Eq. 4."""
    smoothing, image = learned(), torch.rand(1, 1, 14, 15)
    line = smoothing.enlarge((torch.arange(5 * r) + 0.5) / r - 2.5)
    kernel = torch.outer(line, line)[None, None]

    with torch.no_grad():
        enlarged = smoothing.enlarge.upsample(image, 14 * r, 15 * r)

    def transposed(x):
        full = F.conv_transpose2d(x, kernel, stride=r)
        return full[..., 2 * r : 16 * r, 2 * r : 17 * r]

    inside = (..., slice(3 * r, -3 * r), slice(3 * r, -3 * r))
    assert torch.allclose(enlarged[inside], (transposed(image) / transposed(torch.ones_like(image)))[inside], atol=1e-4)


def test_it_starts_as_an_enlargement_that_changes_little():
    image = F.interpolate(torch.rand(1, 3, 6, 8), (24, 32), mode="bicubic")

    with torch.no_grad():
        assert (PixelSmoothing()(image, 24, 32) - image).abs().max() < 0.05


def test_bfloat16_and_autocast_lose_nothing():
    smoothing, image = learned(), torch.rand(1, 3, 8, 8).bfloat16()

    with torch.autocast("cpu", torch.bfloat16):
        picture = smoothing(image, 20, 20)

    assert picture.dtype == torch.float32
    assert torch.equal(picture, smoothing(image.float(), 20, 20))


def test_all_of_it_can_be_learned():
    smoothing = learned()

    smoothing(torch.rand(1, 3, 8, 8), 13, 13).square().sum().backward()

    assert all(parameter.grad.abs().sum() > 0 for parameter in smoothing.parameters())
