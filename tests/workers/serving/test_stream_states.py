import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge.grid_model.stylizer import GridStylizer
from edge.grid_model.temporal_average import StreamState
from pipeline.contract.messages import MAX_BYTES, KeyFrame, StreamMemory
from workers.serving.stream_states import packed, unpacked

FRAME = KeyFrame("gateway", "stream", 7, "dusk", False, b"", scene=3, picked_ms=12_345)


@pytest.fixture(scope="module")
def stylizer() -> GridStylizer:
    return GridStylizer.load(device="cpu")


def picture(seed: int, shape: tuple[int, int] = (96, 96)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


@pytest.mark.parametrize("shape", [(72, 128), (128, 72), (96, 96)])
def test_a_state_comes_back_as_a_grid_sees_it_and_fits_into_a_message(stylizer, shape):
    style = stylizer.style(picture(0))
    _, state = stylizer.follow(picture(1, shape), style, None, elapsed_s=0)

    memory = StreamMemory.unpack(packed(state, FRAME).pack())
    back = unpacked(memory, "cpu")

    straight, _ = stylizer.follow(picture(2, shape), style, state, elapsed_s=0.5)
    travelled, _ = stylizer.follow(picture(2, shape), style, back, elapsed_s=0.5)
    assert np.abs(straight.astype(float) - travelled).max() < 2 / 255
    assert len(memory.pack()) < MAX_BYTES / 5
    assert (memory.style_id, memory.scene, memory.picked_ms) == ("dusk", 3, 12_345)


@pytest.mark.parametrize("value", [1e6, -1e6, np.inf])
def test_what_half_precision_has_no_room_for_is_as_large_as_it_can_be(value):
    state = StreamState(*torch.full((2, 1, 4, 7, 1, 1, 1), value))

    assert unpacked(packed(state, FRAME), "cpu").average.abs().max() == 65504


def test_what_is_no_number_is_no_memory():
    state = StreamState(*torch.full((2, 1, 4, 7, 1, 1, 1), np.nan))

    assert unpacked(packed(state, FRAME), "cpu") is None


@given(st.lists(st.integers(0, 1 << 53), max_size=8).map(tuple), st.binary(max_size=200))
def test_any_message_is_a_state_or_none(shape, data):
    state = unpacked(StreamMemory("dusk", 0, 0, shape, data), "cpu")

    assert state is None or state.average.isfinite().all() and state.average.shape == state.last.shape
