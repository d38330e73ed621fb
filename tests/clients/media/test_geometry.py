"""Turned, mirrored and stretched pictures."""

from fractions import Fraction

import numpy as np
import pytest

from clients.media.geometry import is_transposed, pixel_aspect_at, square_size, upright

#: A to D of x' = A x + C y and y' = B x + D y, as in a container, for the eight ways to hold a picture.
WAYS = [
    (1, 0, 0, 1),
    (0, 1, -1, 0),
    (-1, 0, 0, -1),
    (0, -1, 1, 0),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (0, 1, 1, 0),
    (0, -1, -1, 0),
]


@pytest.mark.parametrize("way", WAYS)
def test_each_pixel_goes_where_the_display_matrix_carries_it(way: tuple[int, int, int, int]):
    a, b, c, d = way
    matrix = np.array([[a, b, 0], [c, d, 0], [0, 0, 1 << 14]], np.int32) << 16
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3)

    shown = upright(picture, matrix)

    ys, xs = np.mgrid[:2, :3]
    to_x, to_y = a * xs + c * ys, b * xs + d * ys
    for y, x, new_y, new_x in zip(ys.flat, xs.flat, (to_y - to_y.min()).flat, (to_x - to_x.min()).flat):
        assert shown[new_y, new_x] == picture[y, x]
    assert is_transposed(matrix) == (shown.shape == (3, 2))


def test_without_a_matrix_nothing_is_turned():
    picture = np.zeros((2, 3), np.uint8)

    assert upright(picture, None) is picture and not is_transposed(None)


@pytest.mark.parametrize(("size", "aspect", "square"), [
    ((720, 576), Fraction(64, 45), (1024, 576)), ((1440, 1080), Fraction(4, 3), (1920, 1080)),
    ((720, 480), Fraction(8, 9), (720, 540)), ((640, 480), Fraction(1), (640, 480)),
])  # fmt: skip
def test_square_pixels(size: tuple[int, int], aspect: Fraction, square: tuple[int, int]):
    assert square_size(size, aspect) == square


def test_a_scaled_picture_keeps_its_shape_on_the_screen():
    wide = Fraction(64, 45)

    assert pixel_aspect_at((1024, 576), (720, 576), wide) == 1
    assert pixel_aspect_at((360, 288), (720, 576), wide) == wide
    assert pixel_aspect_at((100, 100), (720, 576), Fraction(1)) == 1, "that shape was asked for"
