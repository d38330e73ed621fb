import pytest
import torch
import torch.nn.functional as F

from edge.grid_model.grid import slice_grid
from edge.grid_model.smoothing import MetaKernel, MetaSmoothing, eliminate


@pytest.mark.parametrize("height, width", [(9, 16), (10, 17), (13, 24), (34, 60), (135, 240), (5, 7)])
def test_a_constant_stays_constant_for_every_factor(height, width):
    enlarged = MetaKernel().upsample(torch.full((1, 3, 9, 16), 0.4), height, width)

    assert enlarged.shape == (1, 3, height, width)
    assert torch.allclose(enlarged, torch.tensor(0.4), atol=1e-6)


def test_factor_one_is_a_plain_convolution():
    kernel, image = MetaKernel(), torch.rand(1, 1, 12, 14)
    taps = kernel(torch.arange(-2.0, 3.0))
    taps = taps / taps.sum()

    smoothed = kernel.upsample(image, 12, 14)

    plain = F.conv2d(image, torch.outer(taps, taps)[None, None])
    assert torch.allclose(smoothed[:, :, 2:-2, 2:-2], plain, atol=1e-6)


def test_integer_factor_is_a_transposed_convolution_of_the_stretched_kernel():
    kernel, line = MetaKernel(), torch.rand(1, 1, 20)
    stretched = kernel((torch.arange(15.0) - 7) / 3)

    enlarged = kernel.upsample(line[:, :, None], 1, 60)[:, :, 0]

    transposed = F.conv_transpose1d(line, stretched.view(1, 1, -1), stride=3, padding=6)
    weights = F.conv_transpose1d(torch.ones_like(line), stretched.view(1, 1, -1), stride=3, padding=6)
    assert torch.allclose(enlarged[..., 9:-9], (transposed / weights)[..., 9:-9], atol=1e-5)


def test_fit_then_slice_recovers_an_affine_transform():
    transform = torch.tensor([[0.8, 0.1, 0.0], [0.05, 0.7, 0.1], [0.0, -0.2, 0.9]])
    offset = torch.tensor([0.05, 0.0, 0.1])
    blobs = torch.rand(1, 3, 18, 32, generator=torch.Generator().manual_seed(0))
    content = F.interpolate(blobs, (72, 128), mode="bilinear")
    target = torch.einsum("ij,bjhw->bihw", transform, content) + offset.view(3, 1, 1)

    grid = MetaSmoothing()(content, target, 8, 9, 16)

    assert (slice_grid(grid, content) - target).abs().max() < 0.012


def test_an_unchanged_picture_gives_the_identity_grid():
    content = torch.rand(1, 3, 72, 128)

    grid = MetaSmoothing()(content, content, 8, 9, 16)

    assert torch.equal(grid, torch.eye(3, 4).view(1, 3, 1, 1, 1, 4).expand_as(grid))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_flat_picture_can_be_given_any_colour(value):
    content, colour = torch.full((1, 3, 32, 128), value), torch.tensor([0.6, 0.4, 0.2]).view(1, 3, 1, 1)

    grid = MetaSmoothing()(content, colour.expand(1, 3, 32, 128), 8, 4, 16)

    assert (slice_grid(grid, content) - colour).abs().max() < 0.02


def test_what_is_one_surface_is_recoloured_as_one_however_the_target_glows():
    content, target = torch.full((1, 3, 144, 256), 0.9), torch.full((1, 3, 144, 256), 0.6)
    glow = torch.exp(-(torch.arange(256.0) - 128).square() / 2 / 32**2)
    target[:, 2] += 0.3 * glow

    shown = slice_grid(MetaSmoothing()(content, target, 8, 9, 16), content)

    assert shown[:, 2].amax() - shown[:, 2].amin() < 0.5 * (target[:, 2].amax() - target[:, 2].amin())


def test_the_shade_of_a_surface_is_not_bent_away_from_its_light():
    colour, shade = torch.tensor([0.9, 0.7, 0.6]).view(1, 3, 1, 1), 0.3 + 0.7 * torch.rand(1, 1, 144, 256)
    content, bend = colour * shade, 0.2 * torch.sin(shade * 12)
    target = content + torch.cat((bend, 0 * bend, -bend), 1)

    shown = slice_grid(MetaSmoothing()(content, target, 8, 9, 16), content)

    assert (shown - content)[:, 0].std() < 0.5 * bend.std()


def test_parts_of_one_colour_are_recoloured_alike_however_far_apart_they_are():
    colours = torch.tensor([[0.6, 0.5, 0.4], [0.2, 0.4, 0.7], [0.6, 0.5, 0.4]])
    thirds = (torch.arange(240) // 80).expand(144, 240)
    content = colours[thirds].permute(2, 0, 1)[None]
    target = content + 0.2 * torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 1]])[thirds].permute(2, 0, 1)

    shown = slice_grid(MetaSmoothing()(content, target, 8, 9, 16), content)

    assert (shown[..., :60].mean((2, 3)) - shown[..., 180:].mean((2, 3))).abs().max() < 0.1


def test_surfaces_of_different_colour_keep_their_own_recolouring():
    colours = torch.tensor([[0.6, 0.4, 0.4], [0.4, 0.5, 0.4]]), torch.tensor([[0.2, 0.3, 0.8], [0.7, 0.4, 0.1]])
    halves = (torch.arange(256) >= 128).long().expand(144, 256)
    content, target = (sides[halves].permute(2, 0, 1)[None] for sides in colours)

    shown = slice_grid(MetaSmoothing()(content, target, 8, 9, 16), content)

    assert (shown - target)[..., :96].abs().max() < 0.03 and (shown - target)[..., 160:].abs().max() < 0.03


def test_colours_that_were_never_seen_fall_back_on_the_preferred_map():
    content = torch.full((1, 3, 32, 48), 0.5)
    preferred = torch.tensor([[0.299, 0.587, 0.114, 0.0]]).repeat(3, 1)[None]
    smoothing = MetaSmoothing()

    grid = smoothing.solve(smoothing.prefer(smoothing.collect(content, content, 8, 4, 6), preferred))

    colourful = torch.rand(1, 3, 32, 48)
    shown = slice_grid(grid, colourful)
    assert (shown.amax(1) - shown.amin(1)).max() < 1e-3


def test_the_fit_can_be_learned_through():
    smoothing, content = MetaSmoothing(), torch.rand(1, 3, 16, 24)
    target = torch.rand(1, 3, 16, 24, requires_grad=True)

    smoothing(content, target, 8, 2, 3).square().sum().backward()

    gradients = [target.grad, *(parameter.grad for parameter in smoothing.parameters())]
    assert all(gradient.isfinite().all() and gradient.abs().sum() > 0 for gradient in gradients)


def test_elimination_solves_like_linalg():
    pixels, right = torch.rand(2, 5, 6, 40, 4), torch.rand(2, 5, 6, 4, 3)
    left = pixels.mT @ pixels + 0.05 * torch.eye(4)

    solved = eliminate(torch.cat((left, right), -1).permute(0, 3, 4, 1, 2))

    assert torch.allclose(solved.permute(0, 3, 4, 1, 2), torch.linalg.solve(left, right), atol=1e-4)
