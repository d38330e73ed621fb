from hashlib import sha256

import cv2
import numpy as np
import pytest

from pipeline.contract.image_codec import decode_image
from pipeline.pictures.decode import THUMBNAIL_SIDE_PX
from pipeline.styles.catalog import find_shipped, mood_of, shipped, shipped_thumbnails, style_id


def luminance(rgb: np.ndarray) -> np.ndarray:
    return rgb @ np.float32([0.299, 0.587, 0.114])


def test_id_is_the_head_of_the_content_hash():
    assert style_id(b"jpeg") == sha256(b"jpeg").hexdigest()[:16]


def test_six_to_eight_styles_are_shipped_under_names_and_ids_of_their_own():
    styles = shipped()

    assert 6 <= len(styles) <= 8
    assert len({style.id for style in styles}) == len({style.name for style in styles}) == len(styles)
    assert all(style.id == style_id(style.jpeg) for style in styles)


@pytest.mark.parametrize("style", shipped(), ids=lambda style: style.name)
def test_shipped_picture_is_small_and_uses_the_whole_range_of_light(style):
    picture = decode_image(style.jpeg)
    dark, bright = np.percentile(luminance(picture), (1, 99))

    assert picture.shape == (512, 768, 3)
    assert len(style.jpeg) <= 150_000
    assert dark < 40 and bright > 200
    assert luminance(picture).std() > 35


def test_shipped_styles_differ_from_each_other_in_colour():
    """A style acts through the statistics of its colours, so no two may have nearly the same."""
    looks = []
    for style in shipped():
        lab = cv2.cvtColor(decode_image(style.jpeg), cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
        looks.append(np.concatenate([lab.mean(0), lab.std(0)]))

    distances = [np.linalg.norm(a - b) for i, a in enumerate(looks) for b in looks[:i]]

    assert min(distances) > 15


@pytest.mark.parametrize("spelling", [str.upper, str.lower, lambda name: name.replace(" ", "_")])
def test_style_is_found_by_any_spelling_of_its_name(spelling):
    for style in shipped():
        assert find_shipped(spelling(style.name)) is style


def test_style_is_found_by_its_id():
    assert find_shipped(shipped()[0].id) is shipped()[0]


def test_shipped_styles_are_taken_lightly_and_own_pictures_as_they_are():
    assert mood_of("autumn") == find_shipped("autumn").mood == 0.35
    assert mood_of(find_shipped("dusk").id) == 0.6
    assert mood_of("0" * 16) == 1


def test_unknown_style_is_none():
    assert find_shipped("no such style") is None


def test_each_shipped_style_has_its_thumbnail():
    assert shipped_thumbnails().keys() == {style.id for style in shipped()}
    assert all(max(decode_image(jpeg).shape) == THUMBNAIL_SIDE_PX for jpeg in shipped_thumbnails().values())
