import math

import pytest
import torch

from edge.memory import MEMORY_S, remember


def test_a_new_stream_remembers_what_it_sees():
    now = torch.rand(1, 4, 7, 8, 9, 16)

    assert remember(None, now, 0.5) is now


def test_a_picture_of_another_shape_begins_anew():
    now = torch.rand(1, 4, 7, 8, 16, 9)

    assert remember(torch.rand(1, 4, 7, 8, 9, 16), now, 0.5) is now


def test_after_the_time_constant_a_change_is_followed_to_63_percent():
    before, now = torch.zeros(1, 4, 7, 1, 1, 1), torch.ones(1, 4, 7, 1, 1, 1)

    assert remember(before, now, MEMORY_S).mean().item() == pytest.approx(1 - math.exp(-1))


def test_many_short_steps_are_one_long_one():
    before, now = torch.zeros(1, 4, 7, 1, 1, 1), torch.ones(1, 4, 7, 1, 1, 1)

    for _ in range(15):
        before = remember(before, now, 1 / 30)

    assert torch.allclose(before, remember(torch.zeros_like(now), now, 0.5))
