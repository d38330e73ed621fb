import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.reassembly import jit
from clients.reassembly.grid import FINER, IDENTITY, STILL, apply_grid, blend_grids, carry_grid

RANDOM = np.random.default_rng(0)


def noise(height: int, width: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, 3), np.uint8)


def some_grid(depth: int = 8, rows: int = 9, columns: int = 16) -> np.ndarray:
    """A plausible style: near the identity, different in every cell."""
    near = np.eye(3, 4).reshape(3, 1, 1, 1, 4) + RANDOM.normal(0, 0.25, (3, depth, rows, columns, 4))
    return near.astype(np.float16)


def reference(image: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The definition, computed slowly in float64: trilinear interpolation of eight corners."""
    depth, rows, columns = grid.shape[1:4]
    colours = image / 255
    lumas = colours @ [0.299, 0.587, 0.114]
    painted = np.empty(image.shape)
    for y, x in np.ndindex(*image.shape[:2]):
        at = [lumas[y, x] * depth, (y + 0.5) / image.shape[0] * rows, (x + 0.5) / image.shape[1] * columns]
        at = np.clip(np.array(at) - 0.5, 0, np.array([depth, rows, columns]) - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, [depth - 1, rows - 1, columns - 1])
        transform = 0
        for corner in np.ndindex(2, 2, 2):
            z, r, c = np.where(corner, high, low)
            transform = transform + np.where(corner, at - low, 1 - at + low).prod() * grid[:, z, r, c].astype(float)
        painted[y, x] = transform[:, :3] @ colours[y, x] + transform[:, 3]
    return np.clip(painted, 0, 1) * 255


@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    cells=st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 6)),
)
def test_equals_the_definition_at_any_size_of_picture_and_grid(size: tuple[int, int], cells: tuple[int, int, int]):
    image, grid = noise(*size), some_grid(*cells)

    assert np.abs(apply_grid(image, grid) - reference(image, grid)).max() <= 1


def test_rounds_to_the_nearest_value():
    grid = IDENTITY.copy()
    grid[..., 3] = 0.6 / 255

    assert (apply_grid(np.full((4, 4, 3), 100, np.uint8), grid) == 101).all()


def test_identity_changes_nothing():
    image = noise(37, 53)

    np.testing.assert_array_equal(apply_grid(image, IDENTITY), image)


def test_colours_outside_the_range_are_clipped():
    grid = np.zeros((3, 2, 2, 2, 4), np.float16)
    grid[0, ..., 3], grid[1, ..., 3] = 4, -4

    np.testing.assert_array_equal(apply_grid(noise(5, 5), grid)[..., :2], np.full((5, 5, 2), (255, 0)))


def test_strength_0_is_the_image_and_strength_a_half_lies_between():
    image = np.full((16, 16, 3), 100, np.uint8)
    grid = IDENTITY.copy()
    grid[..., 3] = 40 / 255

    np.testing.assert_array_equal(apply_grid(image, grid, strength=0), image)
    assert (apply_grid(image, grid, strength=0.5) == 120).all()
    assert (apply_grid(image, grid) == 140).all()


def test_writes_where_it_is_told_even_over_the_image():
    image, grid = noise(20, 30), some_grid()
    expected, out = apply_grid(image, grid), np.empty((20, 30, 3), np.uint8)

    assert apply_grid(image, grid, out=out) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(apply_grid(image, grid, out=image), expected)


def test_takes_views_and_read_only_pictures():
    image, grid = noise(20, 30), some_grid()
    flipped, frozen = image[:, ::-1], image.copy()
    frozen.setflags(write=False)

    np.testing.assert_array_equal(apply_grid(flipped, grid), apply_grid(flipped.copy(), grid))
    np.testing.assert_array_equal(apply_grid(frozen, grid), apply_grid(image, grid))


def test_blend_reaches_both_ends_and_keeps_the_currency():
    a, b = some_grid(), some_grid()

    np.testing.assert_array_equal(blend_grids(a, b, 0), a)
    np.testing.assert_allclose(blend_grids(a, b, 1), b, atol=1e-3)
    halfway = blend_grids(a, b, 0.5)
    assert halfway.dtype == np.float16 and halfway.flags.c_contiguous
    np.testing.assert_allclose(halfway, (a.astype(float) + b) / 2, atol=1e-3)


def test_blend_with_the_identity_takes_the_other_grids_shape():
    assert blend_grids(IDENTITY, some_grid(), 0.3).shape == (3, 8, 9, 16, 4)
    assert blend_grids(some_grid(), IDENTITY, 0.3).shape == (3, 8, 9, 16, 4)


def style_like_grid() -> np.ndarray:
    """A grid as smooth as the model's."""
    coarse = np.eye(3, 4).reshape(3, 1, 1, 1, 4) + RANDOM.normal(0, 0.2, (3, 3, 3, 4, 4))
    wide = [cv2.resize(layer, (16, 9), interpolation=cv2.INTER_CUBIC) for layer in coarse.reshape(9, 3, 4, 4)]
    return np.repeat(np.reshape(wide, (3, 3, 9, 16, 4)), 3, 1)[:, :8].astype(np.float16)


def along(image: np.ndarray, grid: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """The definition at each pixel: the grid where the pixel was, mixed with the grid in place if that is not shown."""
    height, width = image.shape[:2]
    moved = cv2.resize(moves, (width, height)) if moves.size > 3 else np.broadcast_to(moves, image.shape)
    here, there = np.empty(image.shape), np.empty(image.shape)
    for y, x in np.ndindex(height, width):
        u, v = (x + 0.5) / width, (y + 0.5) / height
        here[y, x] = looked_up(grid, v, u, image[y, x])
        there[y, x] = looked_up(grid, v + moved[y, x, 1], u + moved[y, x, 0], image[y, x])
    return np.clip(here + moved[..., 2:] * (there - here), 0, 1) * 255


def looked_up(grid: np.ndarray, v: float, u: float, colour: np.ndarray) -> np.ndarray:
    cells = np.array(grid.shape[1:4])
    at = np.clip(np.array([colour @ [0.299, 0.587, 0.114] / 255, v, u]) * cells - 0.5, 0, cells - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, cells - 1)
    transform = sum(
        np.where(corner, at - low, 1 - at + low).prod() * grid[:, *np.where(corner, high, low)].astype(float)
        for corner in np.ndindex(2, 2, 2)
    )
    return transform[:, :3] @ colour / 255 + transform[:, 3]


def bent_moves(height: int, width: int, valid: float | None = None) -> np.ndarray:
    moves = RANDOM.normal(0, 0.1, (3, 4, 3)).astype(np.float32)
    moves[..., 2] = RANDOM.random((3, 4)) if valid is None else valid
    return cv2.resize(moves, (width, height), interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize("valid", [1.0, None])
def test_a_carried_grid_is_looked_up_along_the_flow(valid: float | None):
    image, grid, moves = noise(45, 80), style_like_grid(), bent_moves(36, 64, valid)

    apart = apply_grid(image, carry_grid(grid, moves)) - along(image, grid, moves)

    assert 10 * np.log10(255**2 / (apart**2).mean()) > 48


@pytest.mark.parametrize(("dx", "dy"), [(0.25, 0.0), (-1 / 16, 1 / 9), (2.0, -2.0)])
def test_moves_by_whole_cells_are_exact_but_for_the_border_even_past_the_edge(dx: float, dy: float):
    image, grid, moves = noise(45, 80), some_grid(), np.float32([[[dx, dy, 1]]])

    apart = apply_grid(image, carry_grid(grid, moves)) - along(image, grid, moves)

    assert np.abs(apart[1:-1, 1:-1]).max() <= 1


@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
@settings(max_examples=25)
def test_without_motion_a_carried_grid_does_the_same(height: int, width: int, seen: bool):
    image, grid = noise(height, width), some_grid()

    carried = carry_grid(grid, STILL + np.float32([0, 0, seen]))

    assert carried.shape == (3, 8, FINER * 9, FINER * 16, 4) and carried.dtype == np.float16
    assert np.abs(apply_grid(image, carried).astype(int) - apply_grid(image, grid)).max() <= 1


def test_what_the_key_frame_does_not_show_has_the_grid_in_place():
    image, grid, moves = noise(30, 40), some_grid(), bent_moves(36, 64, valid=0.0)

    assert np.abs(apply_grid(image, carry_grid(grid, moves)).astype(int) - apply_grid(image, grid)).max() <= 1


def test_works_where_no_folder_can_keep_the_machine_code(monkeypatch: pytest.MonkeyPatch):
    real = jit.njit

    def njit(cache: bool = False, **options: object):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(jit, "njit", njit)

    assert jit.compiled(lambda x: x + 1)(1) == 2


def test_dithering_turns_the_bands_of_a_smooth_sky_into_grain():
    sky, grid = np.full((64, 640, 3), 90, np.uint8), np.repeat(np.array(IDENTITY), 2, 3)
    grid[:, :, :, 1, 3] = 6 / 255  # it becomes lighter to the right, by six levels

    banded, dithered = (apply_grid(sky, grid, dither=dither)[:, 160:480, 0] for dither in (False, True))

    smooth = 90 + 6 * (np.arange(320) + 0.5) / 320
    off = [np.abs(cv2.blur(shown.astype(float), (9, 9)).mean(0) - smooth)[9:-9].mean() for shown in (banded, dithered)]
    assert off[1] < 0.3 * off[0]
    assert np.abs(dithered - smooth).max() <= 1


def test_dithering_changes_nothing_where_the_grid_does_not():
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)

    np.testing.assert_array_equal(apply_grid(image, IDENTITY, dither=True), image)
