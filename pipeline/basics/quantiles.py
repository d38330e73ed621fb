"""Computes quantiles of a histogram as Prometheus does."""

import math
from collections.abc import Mapping


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Return the value below which this share (0..1) of the observations lies, or None if there are no observations.

    `buckets` maps each upper bound to the number of observations up to it; the last bound is infinity. The result is
    interpolated linearly within a bucket. It is the last finite bound if it lies beyond that.
    """
    wanted, lower, below = share * max(buckets.values(), default=0), 0.0, 0.0
    if not wanted:
        return None
    for bound, count in sorted(buckets.items()):
        if count >= wanted:
            return lower if math.isinf(bound) else lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    raise AssertionError("the last bucket holds all")
