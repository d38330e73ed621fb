"""Federated averaging: the edges' changes to the global model become its next version.

Algorithm 2 of the paper prints a sum of weights, theta = sum_i theta_i, but its text speaks of an average; the sum over
two edges would double the weights. Here the *changes* from a known global model are averaged, weighted by the number of
images they were trained on, so that each can be checked, clipped and discounted before it counts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import safetensors.numpy

#: Arrays by name, float32.
Weights = dict[str, np.ndarray]

#: No edge counts for more than this many times the images of its round's median edge.
MOST_EXAMPLES = 2.0
#: A change is clipped to this many times the median norm of earlier changes.
MOST_NORMS = 3.0
#: From this many edges on, the highest and the lowest fifth of each weight's changes are left out.
TRIM_FROM, TRIM_SHARE = 5, 0.2


class Contribution(NamedTuple):
    """What one edge has learned."""

    change: np.ndarray  # float64, one flat vector: see `flatten`
    num_examples: int
    staleness: int  # versions between the global model it started from and the present one


def read(file: bytes) -> Weights:
    """The arrays in a safetensors file, unchanged. Raises ValueError for any other file."""
    try:
        return safetensors.numpy.load(file)
    except Exception as error:  # a hostile file can break the reader in several ways
        raise ValueError(f"these bytes are no safetensors file ({type(error).__name__})") from error


def write(weights: Weights) -> bytes:
    """The weights as a safetensors file. The same weights give the same bytes, in whatever order they are."""
    return safetensors.numpy.save({name: np.ascontiguousarray(weights[name]) for name in sorted(weights)})


def check(weights: Weights, like: Weights) -> None:
    """Raise ValueError with one sentence unless these are finite weights of the same model as `like`."""
    if weights.keys() != like.keys():
        name = min(weights.keys() ^ like.keys())
        raise ValueError(f"the weights {'lack' if name in like else 'have an unknown'} {name[:80]!r}")
    for name, array in weights.items():
        if array.dtype != np.float32 or array.shape != like[name].shape:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not float32 {like[name].shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")


def merge(base: Weights, contributions: Sequence[Contribution], norms: Sequence[float]) -> tuple[Weights, list[float]]:
    """The next global model, and the norms of the changes that went into it, after clipping.

    `norms` are those of earlier rounds. The result does not depend on the order of the contributions, to the last bit.
    """
    start = flatten(base)
    lengths = [float(np.linalg.norm(c.change)) for c in contributions]
    limit = min(MOST_NORMS * lower_median(norms or lengths), float(np.linalg.norm(start)))
    counted = [min(length, limit) for length in lengths]
    scales = [new / old if old else 0.0 for new, old in zip(counted, lengths, strict=True)]
    changes = np.stack([c.change * scale for c, scale in zip(contributions, scales, strict=True)])
    return unflatten(start + average(changes, shares(contributions)), base), counted


def shares(contributions: Sequence[Contribution]) -> np.ndarray:
    """The weight of each contribution: its number of images, capped, times (1 + staleness)^-1/2."""
    examples = [float(c.num_examples) for c in contributions]
    capped = np.minimum(examples, MOST_EXAMPLES * lower_median(examples))
    return capped / np.sqrt([1.0 + c.staleness for c in contributions])


def average(changes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The weighted mean over the edges of `changes` (edges x weights).

    From `TRIM_FROM` edges on, the extreme changes of each weight are left out.
    """
    edges = len(changes)
    trimmed = int(TRIM_SHARE * edges) if edges >= TRIM_FROM else 0
    # Sorting by value, then by share, keeps the order of additions independent of the order of the edges.
    order = np.lexsort((np.broadcast_to(shares[:, None], changes.shape), changes), axis=0)[trimmed : edges - trimmed]
    values, counts = np.take_along_axis(changes, order, 0), shares[order]
    mean = (values * counts).sum(0) / counts.sum(0)
    return mean.clip(values[0], values[-1])  # rounding may leave the range by the last bit


def change(weights: Weights, base: Weights) -> np.ndarray:
    """The change from `base` to `weights`, as one flat float64 vector."""
    return flatten(weights) - flatten(base)


def flatten(weights: Weights) -> np.ndarray:
    """All weights as one float64 vector, in alphabetical order of their names."""
    return np.concatenate([weights[name].ravel() for name in sorted(weights)]).astype(np.float64)


def unflatten(vector: np.ndarray, like: Weights) -> Weights:
    """The inverse of `flatten`, in float32."""
    names = sorted(like)
    parts = np.split(vector.astype(np.float32), np.cumsum([like[name].size for name in names])[:-1])
    return {name: part.reshape(like[name].shape) for name, part in zip(names, parts, strict=True)}


def lower_median(values: Sequence[float]) -> float:
    """The median, but the lower of the two middle values of an even number, so that half of them cannot push it up."""
    return float(sorted(values)[(len(values) - 1) // 2])
