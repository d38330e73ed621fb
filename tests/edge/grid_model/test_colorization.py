import pytest
import torch

from edge.grid_model.colorization import (
    REGIONS,
    RIDGE,
    RIDGE_SHARE,
    Colorization,
    Gate,
    Likeness,
    mix,
    normalized,
    regions,
    statistics,
    whiten_and_colour,
)


def features(channels=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mixer = torch.randn(channels, channels, generator=generator)
    return torch.einsum("ij,bjhw->bihw", mixer, torch.randn(1, channels, 24, 40, generator=generator)) + 3


def recoloured(content, style):
    transform, offset = whiten_and_colour(statistics(content), style)
    return mix(content, transform, offset[..., None])


def likeness(asking, asked):
    return Likeness()(normalized(regions(asking)), normalized(regions(asked)))


def test_factor_times_its_transpose_is_the_covariance():
    x = features()
    covariance = torch.cov(x[0].flatten(1), correction=0)

    factor = statistics(x).factor[0]

    ridge = RIDGE_SHARE * covariance.diagonal().mean() + RIDGE
    assert torch.allclose(factor @ factor.T, covariance + ridge * torch.eye(8), rtol=1e-3, atol=1e-3)


def test_coloured_features_have_the_style_statistics():
    content, style = features(seed=1), features(seed=2) * 0.5 - 1

    coloured = statistics(recoloured(content, statistics(style)))

    wanted = statistics(style)
    assert torch.allclose(coloured.mean, wanted.mean, atol=1e-3)
    assert torch.linalg.norm(coloured.factor - wanted.factor) < 0.25 * torch.linalg.norm(wanted.factor)


def test_own_statistics_change_nothing():
    x = features()
    own = likeness(x, x)

    assert torch.allclose(recoloured(x, statistics(x)), x, atol=1e-3)
    assert torch.allclose(Colorization(8)(x, x, statistics(x), own, own), x, atol=1e-3)


def test_a_flat_picture_takes_the_style_mean():
    flat, style = torch.full((1, 8, 6, 6), 2.0), statistics(features())

    coloured = recoloured(flat, style)

    assert torch.allclose(coloured, style.mean[..., None].expand_as(coloured), atol=1e-3)


def test_statistics_of_bfloat16_features_are_float32():
    found = statistics(features().bfloat16())

    assert {part.dtype for part in found} == {torch.float32}


@pytest.mark.parametrize("shape", [(24, 40), (8, 64), (128, 8), (2, 2)])
def test_any_shape_is_recoloured_channels_last(shape):
    x = torch.randn(1, 8, *shape).contiguous(memory_format=torch.channels_last)
    style = features(seed=2)

    coloured = Colorization(8)(x, x, statistics(style), likeness(x, x), likeness(x, style))

    assert coloured.shape == x.shape
    assert coloured.is_contiguous(memory_format=torch.channels_last)


def test_a_region_takes_most_from_those_like_it():
    picture = features(seed=1)
    shares = likeness(picture, picture)[0]

    assert torch.allclose(shares.sum(0), torch.ones(REGIONS**2))
    assert (shares.argmax(0) == torch.arange(REGIONS**2)).all()


def test_of_equals_the_one_at_the_same_height_counts_more():
    flat = torch.ones(1, 8, 24, 24)

    shares = likeness(flat, flat)[0]

    top = shares[:, 0].view(REGIONS, REGIONS).sum(1)
    assert (top.diff() < 0).all()


def test_halves_take_the_means_of_the_style_halves_like_them():
    """The style is bright red above and dark blue below; statistics of the whole picture cannot tell which is where."""
    noise = 0.1 * torch.randn(2, 2, 48, 48, generator=torch.Generator().manual_seed(0))
    noise[:, 0, :24] += 1
    noise[:, 0, 24:] -= 1
    content, style = noise.chunk(2)
    style = torch.cat((style[:, :1], style[:, :1].sign()), 1) + torch.randn(1, 2, 48, 48) * 0.1
    level = Colorization(2)
    torch.nn.init.ones_(level.reach)

    coloured = level(content, content, statistics(style), likeness(content, content), likeness(content, style))

    assert coloured[0, 1, :24].mean() > 0.7
    assert coloured[0, 1, 24:].mean() < -0.7


def test_a_fresh_gate_goes_nearly_all_the_way():
    content, wanted = features(seed=1), features(seed=2)

    gated = Gate(8)(content, content, wanted)

    assert torch.allclose(gated, content.lerp(wanted, 0.9526), atol=0.05)


def test_a_gate_has_nothing_to_decide_where_nothing_is_wanted():
    gate, x = Gate(8), features()
    torch.nn.init.normal_(gate.decide.weight)

    assert torch.equal(gate(x, x, x), x)


def test_a_gate_can_learn_to_spare_a_part_of_the_content():
    content, wanted = features(seed=1), features(seed=2)
    content[..., :20] += 6  # a part that differs from the rest, as skin does
    truth, gate = torch.cat((content[..., :20], wanted[..., 20:]), 3), Gate(8)
    optimizer, losses = torch.optim.Adam(gate.parameters(), 1e-2), []
    for _ in range(150):
        loss = (gate(content, content, wanted) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.3 * losses[0]
