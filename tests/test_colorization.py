import torch

from edge.colorization import RIDGE, RIDGE_SHARE, Gate, colorize, statistics


def features(channels=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(channels, channels, generator=generator)
    return torch.einsum("ij,bjhw->bihw", mix, torch.randn(1, channels, 24, 40, generator=generator)) + 3


def test_factor_times_its_transpose_is_the_covariance():
    x = features()
    covariance = torch.cov(x[0].flatten(1), correction=0)

    factor = statistics(x).factor[0]

    ridge = RIDGE_SHARE * covariance.diagonal().mean() + RIDGE
    assert torch.allclose(factor @ factor.T, covariance + ridge * torch.eye(8), rtol=1e-3, atol=1e-3)


def test_coloured_features_have_the_style_statistics():
    content, style = features(seed=1), features(seed=2) * 0.5 - 1

    coloured = statistics(colorize(content, statistics(style)))

    wanted = statistics(style)
    assert torch.allclose(coloured.mean, wanted.mean, atol=1e-3)
    assert torch.linalg.norm(coloured.factor - wanted.factor) < 0.25 * torch.linalg.norm(wanted.factor)


def test_own_statistics_change_nothing():
    x = features()

    assert torch.allclose(colorize(x, statistics(x)), x, atol=1e-3)


def test_a_flat_picture_takes_the_style_mean():
    flat, style = torch.full((1, 8, 6, 6), 2.0), statistics(features())

    coloured = colorize(flat, style)

    assert torch.allclose(coloured, style.mean[..., None].expand_as(coloured), atol=1e-3)


def test_statistics_of_bfloat16_features_are_float32():
    found = statistics(features().bfloat16())

    assert found.mean.dtype == found.factor.dtype == torch.float32


def test_the_layout_stays_channels_last():
    x = features().contiguous(memory_format=torch.channels_last)

    assert colorize(x, statistics(x)).is_contiguous(memory_format=torch.channels_last)


def test_a_fresh_gate_goes_nearly_all_the_way():
    content, wanted = features(seed=1), features(seed=2)

    gated = Gate(8)(content, content, wanted)

    assert torch.allclose(gated, content.lerp(wanted, 0.9526), atol=1e-3)


def test_a_gate_has_nothing_to_decide_where_nothing_is_wanted():
    gate, x = Gate(8), features()
    torch.nn.init.normal_(gate.decide.weight)

    assert torch.equal(gate(x, x, x), x)


def test_a_gate_can_learn_to_spare_a_part_of_the_content():
    content, wanted = features(seed=1), features(seed=2)
    spared = (content[:, :1] > 3).float()
    truth, gate = torch.lerp(wanted, content, spared), Gate(8)
    optimizer, losses = torch.optim.Adam(gate.parameters(), 1e-2), []
    for _ in range(200):
        loss = (gate(content, content, wanted) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.3 * losses[0]
