import math

import pytest
import torch

from edge.grid_model.temporal_average import MEMORY_S, StreamState, remember


def level(value: float) -> torch.Tensor:
    return torch.full((1, 4, 7, 1, 1, 1), value, dtype=torch.float64)


def test_a_new_stream_remembers_what_it_sees():
    now = torch.rand(1, 4, 7, 8, 9, 16)

    assert remember(None, now, 0.5) == (now, now)


def test_a_picture_of_another_shape_begins_anew():
    now, before = torch.rand(1, 4, 7, 8, 16, 9), torch.rand(1, 4, 7, 8, 9, 16)

    assert remember(StreamState(before, before), now, 0.5) == (now, now)


def test_after_the_time_constant_a_change_is_followed_to_63_percent():
    state = remember(StreamState(level(0), level(1)), level(1), MEMORY_S)

    assert state.average.mean().item() == pytest.approx(1 - math.exp(-1))


def test_an_even_change_is_averaged_alike_with_few_key_frames_and_with_many():
    few = many = StreamState(level(0), level(0))

    few = remember(few, level(15), 0.5)
    for value in range(1, 16):
        many = remember(many, level(value), 1 / 30)

    assert torch.allclose(few.average, many.average)


def test_no_time_changes_nothing():
    before = StreamState(level(0), level(1))

    assert torch.equal(remember(before, level(2), 0.0).average, before.average)


def test_long_after_only_the_newest_counts():
    assert remember(StreamState(level(0), level(1)), level(2), 1e6).average.mean().item() == pytest.approx(2, abs=1e-4)
