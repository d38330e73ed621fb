"""A worker's statistics of a style in another mood than usual."""

import numpy as np
import pytest
import torch

from edge.grid_model.stylizer import GridStylizer
from pipeline.contract.errors import MVStylizerError
from pipeline.contract.image_codec import decode_image
from pipeline.contract.messages import PreviewPicture
from pipeline.styles.catalog import shipped
from workers.serving.key_frame_batch import Served
from workers.serving.previews import Unprepared, previews

PICTURES = {style.id: style.jpeg for style in shipped()}
STYLE, OTHER, CONTENT = list(PICTURES)[:3]


@pytest.fixture
def served() -> Served:
    torch.set_num_threads(1)
    return Served(GridStylizer.load(device="cpu"))


def test_a_mood_changes_the_look_and_the_statistics_of_its_style_are_computed_once(served, monkeypatch):
    computed = []
    compute = served.stylizer.style
    monkeypatch.setattr(served.stylizer, "style", lambda *given: (computed.append(given), compute(*given))[1])
    content = decode_image(PICTURES[CONTENT])

    light, usual, full, same = (
        served.stylizer.stylize(content, served.style(style, PICTURES.get)).astype(np.float32)
        for style in (f"{STYLE}~0", STYLE, f"{STYLE}~100", f"{STYLE}~{round(100 * shipped()[0].mood)}")
    )

    assert np.array_equal(same, usual)
    assert np.abs(light - full).mean() > 0.01
    for end in (light, full):
        assert 0 < np.abs(end - usual).mean() < np.abs(light - full).mean()
    assert len(computed) == 1 and list(served.styles) == [STYLE]


def test_both_styles_of_a_mix_have_their_own_moods(served):
    mix = served.style(f"{STYLE}~0.{OTHER}~100.25", PICTURES.get)

    assert mix.mood.tolist() == [0.25]
    assert list(served.styles) == [STYLE, OTHER]


def test_a_mood_of_a_style_that_is_gone_is_refused(served):
    with pytest.raises(MVStylizerError):
        served.style(f"{'0' * 16}~40", PICTURES.get)


def test_previews_are_drawn_in_the_moods_that_are_asked_for(served):
    asked = [f"{STYLE}~0", f"{OTHER}~100"]
    picture = PreviewPicture(
        gateway_id="g", stream_id="s", number=1, frame_id=1, style_ids=",".join(asked), picture=PICTURES[CONTENT]
    )

    tries = [previews(served, picture, PICTURES.get) for _ in range(3)]

    assert [isinstance(each, Unprepared) for each in tries] == [True, True, False]
    assert tries[-1].styles == asked
