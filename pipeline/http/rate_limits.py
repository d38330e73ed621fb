"""Limits how many requests of a kind a client may make, with a token bucket for each address. No clock and no I/O."""

import math
from dataclasses import dataclass, field

from pipeline.basics.lru import LruCache

#: How many addresses are remembered, in about 1 MB. The address that has been silent for longest is forgotten first.
MAX_ADDRESSES = 4096
#: A second bucket for each address shows whether it has asked for much lately. It is a tenth as large as the first, and
#: fills this many times slower.
LATELY = 20


@dataclass(frozen=True, slots=True)
class Rate:
    per_s: float
    burst: float

    def times(self, factor: float) -> "Rate":
        return Rate(self.per_s * factor, self.burst * factor)


@dataclass(slots=True)
class Bucket:
    """A token bucket, which is full at first and refills with `rate.per_s`."""

    rate: Rate
    level: float = field(init=False)
    at_s: float

    def __post_init__(self) -> None:
        self.level = self.rate.burst

    def refill(self, now_s: float) -> float:
        """Bring the bucket up to date; return how many tokens it holds."""
        self.level = min(self.rate.burst, self.level + max(0.0, now_s - self.at_s) * self.rate.per_s)
        self.at_s = max(now_s, self.at_s)
        return self.level

    def wait_s(self) -> float:
        """Return how many seconds it takes until there is a token."""
        return max(0.0, 1.0 - self.level) / self.rate.per_s


class Buckets:
    """The buckets of at most `limit` addresses."""

    def __init__(self, limit: int = MAX_ADDRESSES) -> None:
        self._buckets: LruCache[str, Bucket] = LruCache(limit)

    def of(self, address: str, rate: Rate, now_s: float) -> Bucket:
        """Return the address's bucket, refilled. A new address gets a full one."""
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = Bucket(rate, now_s)
            self._buckets.put(address, bucket)
        bucket.refill(now_s)
        return bucket

    def __len__(self) -> int:
        return len(self._buckets)


class RateLimit:
    """Limits what each address may do, and what all of them may do together.

    Once half of the common budget is used up, the rest is for addresses that have asked for little lately, so that many
    busy clients do not lock out a new one.
    """

    def __init__(self, each: Rate, together: Rate) -> None:
        self._each, self._together = each, Bucket(together, -math.inf)
        self._buckets, self._lately = Buckets(), Buckets()

    def wait_s(self, address: str, now_s: float, *, factor: float = 1.0) -> float:
        """Count a request and return 0 if it may be made; otherwise return the seconds after which to ask again.

        `factor` multiplies the address's own budget.
        """
        each = self._each.times(factor)
        own = self._buckets.of(address, each, now_s)
        lately = self._lately.of(address, Rate(each.per_s / LATELY, max(1.0, each.burst / 10)), now_s)
        left = self._together.refill(now_s)
        if own.level < 1:
            return own.wait_s()
        if left < 1 or left < self._together.rate.burst / 2 and lately.level < 1:
            return max(1.0, self._together.wait_s())
        own.level -= 1
        lately.level = max(0.0, lately.level - 1)
        self._together.level -= 1
        return 0.0
