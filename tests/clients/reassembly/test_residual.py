import cv2
import numpy as np
import pytest

from clients.reassembly.grid import IDENTITY, STILL, apply_grid
from clients.reassembly.residual import fit_grid, reassemble_residual

RANDOM = np.random.default_rng(0)
KEY = cv2.GaussianBlur(RANDOM.integers(0, 256, (90, 160, 3), np.uint8), (0, 0), 2)
PIXELS = cv2.GaussianBlur(RANDOM.integers(0, 256, (90, 160, 3), np.uint8), (0, 0), 2)  # no grid turns KEY into it
SEEN = STILL + np.float32([0, 0, 1])


def test_the_identity_is_fitted():
    np.testing.assert_allclose(fit_grid(KEY, KEY), np.broadcast_to(IDENTITY, (3, 8, 9, 16, 4)), atol=0.02)


@pytest.mark.parametrize("shape", [(90, 160), (160, 90), (1, 1), (1, 500), (700, 900)])
def test_one_transform_of_all_colours_is_found_again(shape: tuple[int, int]):
    picture = RANDOM.integers(0, 256, (*shape, 3), np.uint8)
    grid = (IDENTITY * 0.6 + 0.1).astype(np.float16)

    stylized = apply_grid(picture, grid)

    assert np.abs(apply_grid(picture, fit_grid(picture, stylized)).astype(int) - stylized).max() <= 2


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_picture_of_one_colour_has_a_finite_fit(colour: int):
    plain = np.full((40, 60, 3), colour, np.uint8)

    assert np.abs(fit_grid(plain, 255 - plain)).max() < 64


def test_at_the_key_frame_itself_it_gives_the_stylized_pixels():
    grid = fit_grid(KEY, PIXELS)

    np.testing.assert_array_equal(reassemble_residual(KEY, KEY, PIXELS, grid, SEEN, SEEN), PIXELS)


def test_what_changed_since_is_stylized_and_added():
    """The style has a slope of a half, and the frame is twenty levels brighter."""
    key, grid = np.full((40, 60, 3), 100, np.uint8), (IDENTITY * 0.5).astype(np.float16)

    out = reassemble_residual(key + 20, key, apply_grid(key, grid), grid, SEEN, SEEN)

    assert (out == 60).all()


def test_what_the_key_frame_does_not_show_is_transformed_in_place():
    grid = (IDENTITY * 0.5).astype(np.float16)
    now = KEY[::-1]

    out = reassemble_residual(now, KEY, PIXELS, grid, STILL, STILL)

    np.testing.assert_allclose(out, apply_grid(now, grid), atol=1)


def test_a_moved_picture_takes_its_pixels_along():
    moves = np.float32([[[4 / 160, 0, 1]]])
    now, expected = np.roll(KEY, -4, 1), np.roll(PIXELS, -4, 1)

    out = reassemble_residual(now, KEY, PIXELS, fit_grid(KEY, PIXELS), moves, moves)

    np.testing.assert_array_equal(out[:, :-4], expected[:, :-4])
