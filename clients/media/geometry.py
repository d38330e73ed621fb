"""How a decoded picture is to be held: turned and mirrored as the file says, its pixels as wide as the file says."""

from fractions import Fraction
from typing import cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type

SQUARE = Fraction(1)


def display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """Int32 [3, 3] that carries a point (x, y, 1) of the picture, as a row, to the screen; None for upright ones."""
    side_data = cast(SideDataContainer, frame.side_data)  # which PyAV's stubs have as a dictionary
    if Type.DISPLAYMATRIX not in {data.type for data in side_data}:
        return None
    return np.frombuffer(bytes(side_data[Type.DISPLAYMATRIX]), np.int32).reshape(3, 3)


def is_transposed(matrix: np.ndarray | None) -> bool:
    """Whether rows become columns: a turn by 90 or 270 degrees, mirrored or not."""
    return matrix is not None and abs(int(matrix[0, 1])) > abs(int(matrix[0, 0]))


def upright(picture: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """The picture [H, W] or [H, W, C] as FFmpeg's autorotate shows it; the matrix counts to the next 90 degrees."""
    if matrix is None:
        return picture
    if is_transposed(matrix):
        picture = picture.swapaxes(0, 1)
        to_right, to_bottom = matrix[1, 0], matrix[0, 1]
    else:
        to_right, to_bottom = matrix[0, 0], matrix[1, 1]
    return np.ascontiguousarray(picture[:: -1 if to_bottom < 0 else 1, :: -1 if to_right < 0 else 1])


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture, uint8 [H, W] or [H, W, C], at size (width, height)."""
    if picture.shape[1::-1] == size:
        return picture
    smaller = size[0] < picture.shape[1]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def square_size(size: tuple[int, int], pixel_aspect: Fraction) -> tuple[int, int]:
    """(width, height) of the picture with square pixels: none is lost, so one side grows."""
    width, height = size
    if pixel_aspect >= 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def pixel_aspect_at(size: tuple[int, int], shown: tuple[int, int], pixel_aspect: Fraction) -> Fraction:
    """Of a picture scaled to size that is shown, with pixels of this shape, in the size `shown`.

    Square pixels stay square, for then the size is the shape that was asked for.
    """
    if pixel_aspect == 1:
        return SQUARE
    return pixel_aspect * Fraction(shown[0], shown[1]) / Fraction(size[0], size[1])
