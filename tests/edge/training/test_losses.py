import pytest
import torch
from skimage.metrics import structural_similarity

from edge.training.losses import (
    edge_loss,
    glow,
    grid_roughness,
    out_of_range,
    patchiness,
    place_deviation,
    skin,
    ssim,
    style_distance,
    style_moments,
    unnatural_skin,
    unnatural_sky,
)


def test_a_picture_has_no_distance_to_its_own_style():
    features = [torch.rand(2, 5, 8, 8), torch.rand(2, 7, 4, 4)]

    assert style_distance(style_moments(features), style_moments(features)).abs().max() == 0


def test_style_ignores_where_things_are():
    features = torch.rand(1, 5, 8, 8)

    distance = style_distance(style_moments([features]), style_moments([features.flip(2).transpose(2, 3)]))

    assert distance < 1e-9


def test_half_of_the_style_is_a_quarter_of_its_size():
    target = style_moments([torch.rand(1, 5, 8, 8)])

    assert torch.isclose(style_distance([target[0] / 2], target), torch.tensor(0.25))


def test_edges_of_a_picture_are_its_own():
    image = torch.rand(1, 3, 32, 32)

    assert edge_loss(image, image).abs() < 1e-5
    assert edge_loss(image, image.mean(1, keepdim=True).expand_as(image)) > edge_loss(image, image * 0.95)
    assert edge_loss(image, torch.full_like(image, 0.5)) > 0.9


def test_edge_loss_of_a_flat_picture_can_be_learned_from():
    flat = torch.full((1, 3, 32, 32), 0.5, requires_grad=True)

    edge_loss(flat, torch.rand(1, 3, 32, 32)).backward()

    assert flat.grad.isfinite().all()


def test_a_ramp_of_transforms_is_smooth_and_a_step_is_not():
    ramp = torch.linspace(0, 1, 8).view(1, 1, 8, 1, 1, 1).expand(1, 3, 8, 4, 5, 4)

    assert grid_roughness(ramp) < 1e-9
    assert grid_roughness((ramp > 0.5).float()) > 0.01


def test_a_grid_of_one_cell_has_no_roughness():
    assert grid_roughness(torch.rand(1, 3, 1, 1, 1, 4)) == 0


def test_only_what_clipping_would_take_counts_as_out_of_range():
    assert out_of_range(torch.tensor([0.0, 0.5, 1.0])) == 0
    assert torch.isclose(out_of_range(torch.tensor([-0.3, 0.5, 1.3])), torch.tensor(0.2))


def test_ssim_is_the_one_of_wang_2004():
    a, b = torch.rand(1, 1, 40, 50), torch.rand(1, 1, 40, 50)
    mixed = 0.7 * a + 0.3 * b

    _, everywhere = structural_similarity(
        a[0, 0].numpy(),
        mixed[0, 0].numpy(),
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )

    assert abs(ssim(a, mixed) - everywhere[5:-5, 5:-5].mean()) < 1e-4
    assert ssim(a, a) == 1


def colour(*rgb):
    return torch.tensor(rgb).div(255).view(1, 3, 1, 1).expand(1, 3, 4, 4)


#: A light, a dark, a pale and a deep complexion, and one in evening light.
COMPLEXIONS = [(194, 150, 130), (115, 82, 68), (240, 215, 205), (90, 58, 45), (220, 150, 90)]


@pytest.mark.parametrize("rgb", COMPLEXIONS)
def test_every_complexion_is_skin(rgb):
    assert skin(colour(*rgb)).all()


@pytest.mark.parametrize("rgb", [(90, 140, 220), (60, 120, 50), (128, 128, 128), (250, 250, 250), (255, 60, 0)])
def test_sky_leaves_grey_white_and_signal_red_are_no_skin(rgb):
    assert not skin(colour(*rgb)).any()


@pytest.mark.parametrize("rgb", COMPLEXIONS)
def test_skin_may_grow_paler_greyer_and_darker_but_not_blue_or_green(rgb):
    content = colour(*rgb)
    grey = content.mean(1, keepdim=True)

    for natural in (content, content * 0.6, grey + 0.4 * (content - grey), grey.expand_as(content)):
        assert unnatural_skin(natural, content) < 1e-6
    for painted in (content.flip(1), content[:, [1, 0, 2]]):
        assert unnatural_skin(painted, content) > 0.01


@pytest.mark.parametrize("rgb", COMPLEXIONS)
def test_skin_may_not_be_blown_out(rgb):
    assert unnatural_skin(colour(255, 252, 250), colour(*rgb)) > 0.05


def test_nothing_else_has_a_hue_to_keep():
    sky = colour(90, 140, 220)

    assert unnatural_skin(sky.flip(1), sky) == 0


def test_blue_sky_may_turn_any_colour_but_green():
    sky = colour(90, 140, 220)

    assert unnatural_sky(sky, sky) == 0
    assert unnatural_sky(colour(230, 120, 60), sky) == 0
    assert unnatural_sky(colour(90, 160, 160), sky) == 0
    assert unnatural_sky(colour(60, 130, 70), sky) > 0.1
    assert unnatural_sky(colour(60, 130, 70), colour(60, 120, 50)) == 0


def test_a_dark_sky_may_turn_orange_but_not_olive():
    sky = colour(20, 50, 110)

    assert unnatural_sky(colour(90, 50, 20), sky) == 0
    assert unnatural_sky(colour(70, 65, 15), sky) > 0.01


def test_only_a_slope_where_the_content_is_flat_glows():
    flat, ramp = torch.full((1, 3, 32, 32), 0.9), torch.linspace(0, 1, 32).expand(1, 3, 32, 32)

    assert glow(flat * 0.5, flat) == 0
    assert glow(ramp, ramp) == 0
    assert glow(flat * (1 - 0.2 * ramp), flat) > 0.001


def test_a_surface_in_two_colours_is_patchy_and_two_surfaces_are_not():
    surface, two = torch.full((1, 3, 36, 64), 0.5), torch.full((1, 3, 36, 64), 0.5)
    two[..., 32:] = 0.9

    assert patchiness(two, surface) > 0.02
    assert patchiness(two, two) < 1e-6


def test_only_what_differs_from_place_to_place_deviates():
    grid = torch.rand(1, 3, 4, 1, 1, 4).expand(1, 3, 4, 2, 3, 4).clone()
    assert place_deviation(grid) < 1e-12

    grid[:, 0, 1, 0, 0, 3] += 0.5
    assert place_deviation(grid) > 1e-4
