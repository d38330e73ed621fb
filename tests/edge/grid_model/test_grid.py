import numpy as np
import pytest
import torch

from edge.grid_model.grid import cells, slice_grid


def slow_slice(grid, image):
    """The definition, pixel by pixel, of a grid (3 D R C 4) applied to an image (H W 3), both float64."""
    _, depth, rows, columns, _ = grid.shape
    height, width = image.shape[:2]
    result = np.zeros_like(image)
    for y, x in np.ndindex(height, width):
        rgb = image[y, x]
        at = ((rgb @ (0.299, 0.587, 0.114)) * depth, (y + 0.5) / height * rows, (x + 0.5) / width * columns)
        transform = np.zeros((3, 4))
        for corner in np.ndindex(2, 2, 2):
            weight, index = 1.0, []
            for place, step, size in zip(at, corner, (depth, rows, columns), strict=True):
                low = np.floor(place - 0.5)
                fraction = place - 0.5 - low
                weight *= fraction if step else 1 - fraction
                index.append(int(np.clip(low + step, 0, size - 1)))
            transform += weight * grid[:, *index]
        result[y, x] = transform[:, :3] @ rgb + transform[:, 3]
    return result


def test_slicing_matches_the_slow_reference():
    rng = np.random.default_rng(0)
    grid, image = rng.normal(size=(3, 8, 3, 5, 4)), rng.random((20, 33, 3))
    image[0, :2] = [[0, 0, 0], [1, 1, 1]]

    sliced = slice_grid(torch.from_numpy(grid)[None], torch.from_numpy(image).permute(2, 0, 1)[None])

    assert np.allclose(sliced[0].permute(1, 2, 0).numpy(), slow_slice(grid, image), atol=1e-5)


@pytest.mark.parametrize(
    "height, width, expected",
    [
        (360, 640, (9, 16)),
        (640, 360, (16, 9)),
        (1080, 1920, (9, 16)),
        (480, 640, (12, 16)),
        (500, 500, (16, 16)),
        (1, 1, (16, 16)),
        (1, 4000, (1, 16)),
        (4000, 1, (16, 1)),
    ],
)
def test_cells_follow_the_shape_of_the_picture(height, width, expected):
    assert cells(height, width) == expected
