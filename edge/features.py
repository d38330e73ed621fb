"""The mean and standard deviation of features (B C H W), channel by channel."""

from torch import Tensor

#: Added to a variance before its root is taken.
LEAST_VARIANCE = 1e-5


def normalized(x: Tensor) -> Tensor:
    """B C H W with every channel at mean 0 and variance 1."""
    return (x - mean(x)) / deviation(x)


def mean(x: Tensor) -> Tensor:
    """The mean of each channel: B C H W to B C 1 1."""
    return x.mean((2, 3), keepdim=True)


def deviation(x: Tensor) -> Tensor:
    """The standard deviation of each channel: B C H W to B C 1 1."""
    return (x.var((2, 3), correction=0, keepdim=True) + LEAST_VARIANCE).sqrt()
