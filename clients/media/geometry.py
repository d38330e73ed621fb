"""Turns and mirrors decoded pictures as the file says, and deals with pixels that are not square."""

from fractions import Fraction
from typing import cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type

SQUARE = Fraction(1)


def display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """The matrix, int32 3x3, by which a row (x, y, 1) of picture coordinates is multiplied to place it on the screen.

    It is None for an upright picture.
    """
    side_data = cast(SideDataContainer, frame.side_data)  # PyAV's stubs call it a dictionary
    if Type.DISPLAYMATRIX not in {data.type for data in side_data}:
        return None
    return np.frombuffer(bytes(side_data[Type.DISPLAYMATRIX]), np.int32).reshape(3, 3)


def is_transposed(matrix: np.ndarray | None) -> bool:
    """Whether rows become columns, by a turn of 90 or 270 degrees, mirrored or not."""
    return matrix is not None and abs(int(matrix[0, 1])) > abs(int(matrix[0, 0]))


def upright(picture: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """A picture (H W or H W C) as FFmpeg's autorotate shows it, with the matrix rounded to a multiple of 90 degrees."""
    if matrix is None:
        return picture
    if is_transposed(matrix):
        picture = picture.swapaxes(0, 1)
        to_right, to_bottom = matrix[1, 0], matrix[0, 1]
    else:
        to_right, to_bottom = matrix[0, 0], matrix[1, 1]
    return np.ascontiguousarray(picture[:: -1 if to_bottom < 0 else 1, :: -1 if to_right < 0 else 1])


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (uint8, H W or H W C) scaled to `size` (width, height)."""
    if picture.shape[1::-1] == size:
        return picture
    smaller = size[0] < picture.shape[1]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def square_size(size: tuple[int, int], pixel_aspect: Fraction) -> tuple[int, int]:
    """The size (width, height) of a picture with square pixels. One side grows, so that no pixels are lost."""
    width, height = size
    if pixel_aspect >= 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def pixel_aspect_at(size: tuple[int, int], shown: tuple[int, int], pixel_aspect: Fraction) -> Fraction:
    """The pixel aspect of a picture that had the size `shown` and this `pixel_aspect`, and was scaled to `size`.

    Square pixels stay square: then the new size is meant as the new shape.
    """
    if pixel_aspect == 1:
        return SQUARE
    return pixel_aspect * Fraction(shown[0], shown[1]) / Fraction(size[0], size[1])
