import torch

from edge.grid_model.encoder import WIDTHS
from edge.grid_model.grid import slice_grid
from edge.grid_model.model import GridModel
from edge.grid_model.weights import GRADE


def test_a_batch_gives_a_grid_per_picture():
    model = GridModel()

    grid = model(torch.rand(2, 3, 32, 48), model.style(torch.rand(2, 3, 48, 32)))

    assert grid.shape == (2, 3, 8, 2, 3, 4)


def test_one_style_serves_a_whole_batch():
    model, content = GridModel().eval(), torch.rand(2, 3, 32, 48)
    style = model.style(torch.rand(1, 3, 32, 32))

    together = model(content, style)

    assert torch.allclose(together[1:], model(content[1:], style), atol=1e-4)


def test_a_picture_in_its_own_style_gets_the_identity():
    model, image = GridModel(), torch.rand(1, 3, 64, 96)

    grid = model(image, model.style(image))

    assert torch.allclose(grid, torch.eye(3, 4).view(1, 3, 1, 1, 1, 4), atol=0.02)


def test_under_a_grey_style_every_colour_becomes_grey_even_one_that_the_content_does_not_show():
    content, grey = torch.rand(1, 3, 64, 96), torch.rand(1, 1, 64, 96).expand(1, 3, 64, 96)
    content[:, 1:] *= 0.2  # it is all red
    model = GridModel()

    grid = model(content, model.style(grey))

    shown = slice_grid(grid, torch.rand(1, 3, 64, 96))
    assert (shown.amax(1) - shown.amin(1)).max() < 2e-3


def test_a_style_has_statistics_for_every_level_from_coarse_to_fine():
    style = GridModel().style(torch.rand(1, 3, 32, 32))

    assert [level.factor.shape[1] for level in style.levels] == [*reversed(WIDTHS)]


def test_every_parameter_learns():
    model = GridModel()

    model(torch.rand(1, 3, 32, 48), model.style(torch.rand(1, 3, 32, 48))).square().sum().backward()

    # The decoder's last offset is the same in both drawings, so it cancels out. The grade is trained by itself.
    unmoved = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    still = [name for name in unmoved if not name.startswith(GRADE)]
    assert still in ([], ["decoder.picture.2.bias"])
