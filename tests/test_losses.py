import torch
from skimage.metrics import structural_similarity

from edge.losses import edge_loss, grid_roughness, out_of_range, ssim, style_distance, style_moments


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

    _, everywhere = structural_similarity(a[0, 0].numpy(), mixed[0, 0].numpy(), data_range=1, gaussian_weights=True,
                                          sigma=1.5, use_sample_covariance=False, full=True)

    assert abs(ssim(a, mixed) - everywhere[5:-5, 5:-5].mean()) < 1e-4
    assert ssim(a, a) == 1
