"""The grade: what describes a picture's colours, and what is found in a style that shows another scene."""

import random

import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import load_file, save_file

from clients.reassembly.grid import apply_grid
from cloud.pretraining.photos import random_grade, resize
from edge.colour_maps.grade import DESCRIPTION, QUANTILES, STEP, Grade, description, quantiles
from edge.grid_model.stylizer import GridStylizer
from edge.grid_model.weights import GRADE, SHIPPED, is_trained


@pytest.fixture(scope="module")
def stylizer():
    torch.set_num_threads(1)
    return GridStylizer.load(device="cpu")


def rgb(image):
    return (image.permute(1, 2, 0) * 255).round().byte().contiguous().numpy()


def photo(name):
    return torch.from_numpy(getattr(skimage.data, name)().copy()).permute(2, 0, 1) / 255


def error(a, b):
    return ((a.astype(float) - b) ** 2).mean()


def test_a_description_does_not_depend_on_where_colours_are():
    image = torch.rand(2, 3, 12, 20).repeat_interleave(STEP, 3)
    shuffled = image[:, :, torch.randperm(12)].flip(3)

    found = description(image)

    assert found.shape == (2, DESCRIPTION)
    assert torch.allclose(found, description(shuffled), atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_flat_picture_has_a_finite_description(level):
    assert description(torch.full((1, 3, 8, 8), level)).isfinite().all()


def test_quantiles_are_those_of_the_values():
    values = torch.rand(1, 2, 1001)

    expected = torch.quantile(values, torch.tensor(QUANTILES), dim=2).permute(1, 2, 0)
    assert torch.allclose(quantiles(values, QUANTILES), expected, atol=2e-3)


def test_an_untrained_grade_changes_nothing():
    assert not Grade()(torch.rand(2, DESCRIPTION), torch.rand(1, DESCRIPTION)).any()


def test_weights_of_before_there_was_a_grade_still_load(tmp_path):
    old = {name: tensor for name, tensor in load_file(SHIPPED).items() if not name.startswith(GRADE)}
    save_file(old, tmp_path / "old.safetensors")
    stylizer, image = GridStylizer.load(tmp_path / "old.safetensors", device="cpu"), rgb(photo("coffee"))

    assert (
        np.abs(stylizer.stylize(image, stylizer.style(rgb(photo("rocket"))).with_mood(0))[..., :3].astype(float)).max()
        < 2
    )
    assert not any(is_trained(name) for name in load_file(SHIPPED) if name.startswith(GRADE))


def test_half_of_the_files_weights_are_refused(tmp_path):
    half = {name: tensor for name, tensor in load_file(SHIPPED).items() if not name.startswith("decoder.")}
    save_file(half, tmp_path / "half.safetensors")

    with pytest.raises(ValueError, match="no weights of this model"):
        GridStylizer.load(tmp_path / "half.safetensors", device="cpu")


def test_the_grade_of_another_scene_comes_nearer_to_the_truth_than_its_mood_or_nothing(stylizer):
    """Eight grades of three photos, each seen in the other two."""
    names, total = ("coffee", "chelsea", "astronaut"), dict.fromkeys(("grade", "mood", "nothing"), 0.0)
    for number in range(8):
        content, other = (resize(photo(names[(number + n) % 3]), 150, 200) for n in (0, 1))
        truth, style = (random_grade(image[None], random.Random(number))[0] for image in (content, other))
        wanted = stylizer.style(rgb(style))
        for name, mood in (("grade", 0.0), ("mood", 1.0)):
            grid = stylizer.stylize(rgb(content), wanted.with_mood(mood))
            total[name] += np.log(error(apply_grid(rgb(content), grid), rgb(truth)))
        total["nothing"] += np.log(error(rgb(content), rgb(truth)))

    assert total["grade"] < min(total["mood"], total["nothing"])


def test_half_the_mood_lies_between(stylizer):
    content, style = rgb(photo("coffee")), stylizer.style(rgb(photo("rocket")))

    none, half, full = (stylizer.stylize(content, style.with_mood(mood)).astype(np.float32) for mood in (0, 0.5, 1))

    np.testing.assert_allclose(half, (none + full) / 2, atol=0.1)


def test_a_grey_style_leaves_no_colour_in_any_mood(stylizer):
    grey = np.repeat(rgb(photo("rocket"))[..., :1], 3, 2)

    for mood in (0.0, 0.5):
        content = rgb(photo("coffee"))
        output = apply_grid(content, stylizer.stylize(content, stylizer.style(grey).with_mood(mood)))
        assert np.ptp(output.astype(int), axis=2).max() <= 2


def test_a_batch_may_mix_moods(stylizer):
    contents = [rgb(photo("coffee")), rgb(photo("coffee").flip(2))]
    styles = [stylizer.style(rgb(photo("rocket"))).with_mood(mood) for mood in (1.0, 0.3)]

    together = stylizer.equations_of_each(contents, styles)

    for content, style, found in zip(contents, styles, together, strict=True):
        alone = stylizer.equations(content, style)
        torch.testing.assert_close(found, alone, atol=2e-2 * alone.abs().max().item(), rtol=0)


@pytest.mark.parametrize("mood", [-0.1, 1.1, float("nan")])
def test_a_mood_outside_of_0_to_1_is_refused(stylizer, mood):
    with pytest.raises(ValueError, match="between 0 and 1"):
        stylizer.style(rgb(photo("coffee"))).with_mood(mood)
