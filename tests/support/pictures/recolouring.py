"""Ways to recolour that need no training, to compare the model with. Pictures are RGB uint8 H W 3."""

import numpy as np
import torch

from clients.reassembly.grid import apply_grid
from edge.grid_model.grid import DEPTH, cells
from edge.grid_model.smoothing import MetaSmoothing

#: Added to the variances, in squared levels of 0..255, so that a flat picture has an inverse.
RIDGE = 0.01


def mean_deviation(content: np.ndarray, style: np.ndarray) -> np.ndarray:
    """The content with the mean and standard deviation of the style's channels (Reinhard et al. 2001, but in RGB)."""
    (mean, covariance), (wanted_mean, wanted) = moments(content), moments(style)
    return mapped(content, np.diag(np.sqrt(np.diag(wanted) / np.diag(covariance))), mean, wanted_mean)


def monge_kantorovich(content: np.ndarray, style: np.ndarray) -> np.ndarray:
    """The content with the style's mean and covariance, by the linear map that moves colours least (Pitié 2007)."""
    (mean, covariance), (wanted_mean, wanted) = moments(content), moments(style)
    root = square_root(covariance)
    inverse = np.linalg.inv(root)
    return mapped(content, inverse @ square_root(root @ wanted @ root) @ inverse, mean, wanted_mean)


def oracle_grid(content: np.ndarray, truth: np.ndarray, smoothing: MetaSmoothing) -> np.ndarray:
    """What the model's own fit makes of the right answer: no network that feeds this fit comes closer."""
    a, b = (torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255 for picture in (content, truth))
    grid = smoothing(a, b, DEPTH, *cells(*content.shape[:2]))
    return apply_grid(content, grid[0].detach().half().numpy())


def moments(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean (3) and covariance (3 3) of a picture's colours."""
    pixels = image.reshape(-1, 3).astype(np.float64)
    return pixels.mean(0), np.cov(pixels.T) + RIDGE * np.eye(3)


def square_root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric root of a positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def mapped(image: np.ndarray, transform: np.ndarray, mean: np.ndarray, wanted_mean: np.ndarray) -> np.ndarray:
    result = (image - mean) @ transform.T + wanted_mean
    return result.round().clip(0, 255).astype(np.uint8)
