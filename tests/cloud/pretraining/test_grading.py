"""The grade learns from pairs whose grade is known."""

import random

import torch

from cloud.pretraining.grading import errors, graded_pairs, teach
from cloud.pretraining.photos import Photos
from edge.colour_maps.grade import DESCRIPTION, Grade
from edge.grid_model.weights import SHIPPED, load
from support.models.teacher import write_photos


def test_pairs_have_contents_styles_and_truths_and_are_the_same_again(tmp_path):
    photos, model = Photos(write_photos(tmp_path / "photos", 6, (90, 60))), load(SHIPPED)[0]

    pairs, again = (graded_pairs(photos, model, 70, random.Random(0)) for _ in range(2))

    assert pairs.content.shape == pairs.style.shape == (70, DESCRIPTION)
    assert pairs.colours.shape == pairs.truth.shape
    assert all(torch.equal(a, b) for a, b in zip(pairs, again, strict=True))


def test_it_learns_what_a_grade_is(tmp_path):
    torch.set_num_threads(1)
    photos, model, grade = Photos(write_photos(tmp_path / "photos", 12, (90, 60))), load(SHIPPED)[0], Grade()
    pairs = graded_pairs(photos, model, 256, random.Random(0))
    before = errors(grade, pairs).log().mean()

    psnr = teach(grade, pairs, seed=0, epochs=15)

    assert errors(grade, pairs).log().mean() < before - 0.3
    assert psnr > 10
