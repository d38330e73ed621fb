import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.contract.errors import BadMessage
from pipeline.contract.grid_codec import MAX_SIDE, STEPS, pack_grid, unpack_grid
from support.pictures.bombs import deflated_zeros
from support.pictures.grids import lifelike_grid, make_grid

SIZES = st.tuples(*3 * [st.integers(1, 5)]) | st.sampled_from([(8, 9, 16), (8, 16, 9), (1, 1, MAX_SIDE)])
#: All values that a shape in JSON may have, and more.
JUNK = (
    st.none()
    | st.booleans()
    | st.text()
    | st.lists(st.integers(-1, 70) | st.floats() | st.booleans() | st.lists(st.integers()))
)


def grids(limit: float) -> st.SearchStrategy[np.ndarray]:
    numbers = st.floats(-limit, limit, width=32)
    return SIZES.flatmap(lambda size: hnp.arrays(np.float32, (3, *size, 4), elements=numbers))


@given(grids(limit=2))
def test_a_coefficient_comes_back_within_half_a_step(grid):
    unpacked = unpack_grid(pack_grid(grid), grid.shape[1:4])

    assert unpacked.dtype == np.float16 and unpacked.shape == grid.shape
    assert np.abs(unpacked - grid).max() <= 0.5 / STEPS


@given(grids(limit=31.75))
def test_larger_ones_come_back_as_float16_holds_them(grid):
    whole = np.rint(grid * np.float32(STEPS)) / STEPS

    np.testing.assert_array_equal(unpack_grid(pack_grid(grid), grid.shape[1:4]), whole.astype(np.float16))


@pytest.mark.parametrize("size", [(1, 1, 1), (8, 9, 16), (2, MAX_SIDE, 3)])
def test_whole_steps_come_back_exactly(size):
    grid = make_grid(size)

    np.testing.assert_array_equal(unpack_grid(pack_grid(grid), list(size)), grid)


def test_what_is_too_large_is_clipped_and_harms_no_neighbour():
    grid = make_grid((2, 3, 4))
    grid[0, 1, 2, 1], grid[2, 0, 0, 0] = 60000, -64

    unpacked = unpack_grid(pack_grid(grid), (2, 3, 4))

    np.testing.assert_array_equal(unpacked, grid.clip(-32, 32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_coefficient_that_is_not_finite_is_refused(value):
    grid = make_grid((1, 2, 2))
    grid[2, 0, 1, 1, 3] = value

    with pytest.raises(ValueError):
        pack_grid(grid)


def test_a_lifelike_grid_packs_to_what_real_ones_do():
    assert 12_000 <= len(pack_grid(lifelike_grid())) <= 12_500


@given(st.binary(max_size=300), JUNK | SIZES)
def test_any_bytes_of_any_shape_are_a_grid_or_one_error(data, shape):
    try:
        grid = unpack_grid(data, shape)
    except BadMessage:
        return
    assert grid.shape == (3, *shape, 4)


BODY = bytes(2 * 3 * 6 * 4)
PACKED = pack_grid(make_grid((1, 2, 3)))


@pytest.mark.parametrize("data", [
    b"", PACKED[:-1], PACKED[:20], PACKED + b"x", PACKED + PACKED, PACKED[:-1] + b"x", BODY,
    zlib.compress(BODY[:-1]), zlib.compress(BODY + b"x"), zlib.compress(BODY)[2:-4],
])  # fmt: skip
def test_what_is_not_exactly_one_packed_grid_is_refused(data):
    assert unpack_grid(PACKED, (1, 2, 3)).shape == unpack_grid(zlib.compress(BODY), [1, 2, 3]).shape == (3, 1, 2, 3, 4)

    with pytest.raises(BadMessage):
        unpack_grid(data, (1, 2, 3))


@pytest.mark.parametrize("shape", [
    None, "123", (), (1, 2), (1, 2, 3, 1), (1, 3, 2, -1), (0, 2, 3), (-1, -2, 3), (1.0, 2, 3), (True, 2, 3),
    (1, 2, [3]), (MAX_SIDE + 1, 1, 1), (1, 1, 10**9), {1, 2, 3}, np.array([1, 2, 3]),
])  # fmt: skip
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(BadMessage):
        unpack_grid(PACKED, shape)


def test_what_would_fill_the_memory_is_not_inflated():
    bomb = deflated_zeros(268)
    tracemalloc.start()

    with pytest.raises(BadMessage):
        unpack_grid(bomb, (8, 9, 16))

    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()
