"""Samples pictures as a GPU samples textures: places are 0..1, cell centres lie at (k + 0.5) / n, edges are clamped."""

import numpy as np

from clients.reassembly.jit import compiled


@compiled
def around(place: float, count: int) -> tuple[int, int, np.float32]:
    """The two of `count` cells beside a place (0..1), and how far (0..1) it is from the first to the second."""
    at = min(max(place * count - 0.5, 0.0), count - 1.0)
    first = int(at)
    return first, min(first + 1, count - 1), np.float32(at - first)


@compiled
def sample(picture: np.ndarray, v: float, u: float, k: int) -> float:
    """Channel k of a picture (h w n) at the place (u, v), each 0..1, interpolated bilinearly."""
    y0, y1, down = around(v, picture.shape[0])
    x0, x1, across = around(u, picture.shape[1])
    above = picture[y0, x0, k] + across * (picture[y0, x1, k] - picture[y0, x0, k])
    below = picture[y1, x0, k] + across * (picture[y1, x1, k] - picture[y1, x0, k])
    return above + down * (below - above)
