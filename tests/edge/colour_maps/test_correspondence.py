"""Matching places: a known grade is found where the style shows the same things, and nothing is believed elsewhere."""

import random

import numpy as np
import pytest
import skimage.data
import torch

from clients.reassembly.grid import apply_grid
from cloud.pretraining.photos import random_grade, resize
from edge.colour_maps.correspondence import PLACES, Agreement, Places, agreement
from edge.colour_maps.quadratic import terms
from edge.grid_model.stylizer import GridStylizer


@pytest.fixture(scope="module")
def stylizer():
    torch.set_num_threads(1)
    return GridStylizer.load(device="cpu")


def photo(name):
    return torch.from_numpy(getattr(skimage.data, name)().copy()).permute(2, 0, 1) / 255


def rgb(image):
    return (image.permute(1, 2, 0) * 255).round().byte().contiguous().numpy()


def found(stylizer, content, style):
    with torch.inference_mode():
        places = stylizer.model.places(stylizer.prepare(content))
    return agreement(places, stylizer.style(style).places)


def psnr(a, b):
    return -10 * np.log10(((a.astype(float) - b) ** 2).mean() / 255**2)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket"])
def test_a_grade_of_the_same_scene_is_found(stylizer, name, mirrored):
    whole = photo(name)
    height, width = whole.shape[1:]
    content, other = whole[:, :, : 3 * width // 4], resize(whole[:, :, width // 4 :], height, 3 * width // 4)
    other = other.flip(2) if mirrored else other
    style, truth = (random_grade(crop[None], random.Random(5))[0] for crop in (other, content))

    grid = stylizer.stylize(rgb(content), stylizer.style(rgb(style)))

    assert found(stylizer, rgb(content), rgb(style)).belief > 0.5
    assert psnr(apply_grid(rgb(content), grid), rgb(truth)) > 28


def test_another_scene_s_colours_are_not_taken_for_a_grade(stylizer):
    assert found(stylizer, rgb(photo("coffee")), rgb(photo("rocket"))).belief == 0


def test_a_picture_changes_nothing_in_itself(stylizer):
    same = found(stylizer, rgb(photo("chelsea")), rgb(photo("chelsea")))

    assert same.belief == 1
    assert not same.change.any()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_pictures_give_finite_answers(stylizer, level):
    flat = rgb(torch.full((3, 64, 96), level))

    for content, style in ((flat, flat), (flat, rgb(photo("coffee"))), (rgb(photo("coffee")), flat)):
        assert all(part.isfinite().all() for part in found(stylizer, content, style))


def test_places_that_disagree_are_not_believed():
    generator = torch.Generator().manual_seed(0)
    seen = torch.nn.functional.normalize(torch.randn(1, 64, PLACES, generator=generator), dim=1)
    colours, others = torch.rand(2, 1, 3, PLACES, generator=generator)

    graded = agreement(Places(seen, colours), [Places(seen, 0.8 * colours + 0.1)])
    shuffled = agreement(Places(seen, colours), [Places(seen, others)])

    assert graded.belief == 1
    assert shuffled.belief < 0.5
    moved = graded.change.mT @ terms(colours)
    assert torch.allclose(moved, 0.1 - 0.2 * colours, atol=0.01)


def test_a_map_that_is_not_believed_leaves_the_target_as_it_is():
    image, target = torch.rand(2, 2, 3, 8, 8)
    map_of_colours = Agreement(torch.ones(2, 10, 3), torch.tensor([0.0, 1.0]))

    blended = map_of_colours.blend(image, target)

    assert torch.equal(blended[0], target[0])
    assert torch.equal(blended[1], torch.ones(3, 8, 8))
