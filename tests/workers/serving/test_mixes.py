"""A worker's statistics of a look between two styles."""

import numpy as np
import pytest
import torch

from edge.grid_model.stylizer import GridStylizer
from pipeline.contract.errors import MVStylizerError
from pipeline.contract.image_codec import decode_image
from pipeline.styles.catalog import shipped
from workers.serving.key_frame_batch import Served

PICTURES = {style.id: style.jpeg for style in shipped()}
FIRST, SECOND = list(PICTURES)[:2]


@pytest.fixture(scope="module")
def served() -> Served:
    torch.set_num_threads(1)
    return Served(GridStylizer.load(device="cpu"))


def test_a_mix_lies_between_its_parts_and_only_they_are_kept(served):
    mix = served.style(f"{FIRST}.{SECOND}.25", PICTURES.get)
    first, second = served.style(FIRST, PICTURES.get), served.style(SECOND, PICTURES.get)

    for level, one, other in zip(mix.levels, first.levels, second.levels, strict=True):
        assert torch.allclose(level.mean, 0.75 * one.mean + 0.25 * other.mean, atol=1e-5)
    assert list(served.styles) == [FIRST, SECOND]


def test_a_mix_with_a_style_that_is_gone_is_refused(served):
    with pytest.raises(MVStylizerError):
        served.style(f"{FIRST}.{'0' * 16}.25", PICTURES.get)


def test_a_mix_looks_like_the_mean_of_both_looks(served):
    """As the page assumes, which shows a mix's tile by blending its parts' grids."""
    content = decode_image(list(PICTURES.values())[2])

    first, second, mix = (
        served.stylizer.stylize(content, served.style(style, PICTURES.get)).astype(np.float32)
        for style in (FIRST, SECOND, f"{FIRST}.{SECOND}.50")
    )

    assert np.abs(mix - (first + second) / 2).mean() < 0.25 * np.abs(first - second).mean()
