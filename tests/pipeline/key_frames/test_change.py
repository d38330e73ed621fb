import math

import numpy as np
import pytest

from pipeline.key_frames.change import LONGEST_LEAD_S, MEMORY_S, lead_s, mean_colours, remembered, worth
from support.pictures.thumbnails import ENTERED, OTHER, RECOLOURED, ROOM, STILL, thumbnail


def test_colours_are_those_of_the_grids_cells():
    assert mean_colours(thumbnail(np.zeros((360, 640), np.uint8))).shape == (3, 9, 16)
    assert mean_colours(thumbnail(np.full((640, 360), 7, np.uint8), 90, 170))[:, 0, 0].tolist() == [7, 90, 170]


def test_brightness_and_colour_both_count():
    still, bright, red = mean_colours(STILL), mean_colours(OTHER), mean_colours(RECOLOURED)

    assert worth(still, still, 1.0) == 0
    assert worth(still, red, 1.0) == pytest.approx(math.hypot(128 - 90, 128 - 170))
    assert worth(still, bright, 1.0) > 80


def test_motion_within_a_cell_hardly_counts():
    photo = np.random.default_rng(0).integers(0, 256, (90, 160), np.uint8)
    still, shaken = (mean_colours(thumbnail(picture)) for picture in (photo, np.roll(photo, 1, 1)))

    assert worth(still, shaken, 1.0) < 0.2 * np.abs(photo.astype(float) - np.roll(photo, 1, 1)).mean()


def test_what_lasts_longer_is_worth_more():
    still, entered = mean_colours(STILL), mean_colours(ENTERED)

    assert worth(still, entered, 4.0) == pytest.approx(2 * worth(still, entered, 1.0))


def test_a_picture_of_another_shape_is_always_worth_it_and_begins_a_memory():
    still, turned = mean_colours(STILL), mean_colours(thumbnail(np.ascontiguousarray(ROOM.T)))

    assert worth(still, turned, 0.1) == math.inf
    assert remembered(still, turned, 0.1) is turned


def test_the_memory_follows_a_change_to_63_percent_in_its_time():
    before, now = np.zeros((3, 9, 16), np.float32), np.ones((3, 9, 16), np.float32)

    assert remembered(before, now, MEMORY_S).mean() == pytest.approx(1 - math.exp(-1))
    assert remembered(before, now, 0.0).mean() == 0


def test_the_lead_is_the_middle_of_the_time_on_show_up_to_a_limit():
    assert lead_s(0.0) == 0.1
    assert lead_s(0.2) == pytest.approx(0.2)
    assert lead_s(4.0) == lead_s(100.0) == LONGEST_LEAD_S
