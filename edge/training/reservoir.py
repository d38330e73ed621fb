"""The key frames that an edge learns from: a bounded, even choice of those that were shared with it."""

import random
from collections.abc import Container
from typing import NamedTuple


class SharedKeyFrame(NamedTuple):
    """A key frame that a client shared so that an edge may learn from it."""

    shared_by: str
    style_id: str
    picture: bytes  # encoded, as it came: ten times smaller than its pixels
    taken_s: float
    consent: str = ""  # the token of the person's consent that it may be learned from

    @property
    def agreement(self) -> tuple[str, str]:
        """Who consented, and by which token; the key frame may be kept as long as this stands."""
        return self.shared_by, self.consent


class Reservoir:
    """Keeps up to `capacity` samples. Each one seen has the same chance of being kept (Vitter's algorithm R)."""

    def __init__(self, capacity: int, seed: int = 0) -> None:
        self._capacity, self._random = capacity, random.Random(seed)
        self._samples: list[SharedKeyFrame] = []
        self._seen = 0.0  # how many samples the kept ones stand for

    def __len__(self) -> int:
        return len(self._samples)

    def observe(self, sample: SharedKeyFrame) -> None:
        self._seen += 1
        if len(self._samples) < self._capacity:
            self._samples.append(sample)
        elif (place := self._random.randrange(int(self._seen))) < self._capacity:
            self._samples[place] = sample

    def draw(self, count: int) -> list[SharedKeyFrame]:
        """Draw `count` of the kept samples, with repetition. There must be at least one."""
        return self._random.choices(self._samples, k=count)

    def agreements(self) -> set[tuple[str, str]]:
        """All agreements on which the kept samples rest."""
        return {sample.agreement for sample in self._samples}

    def keep_standing(self, agreements: Container[tuple[str, str]]) -> None:
        """Drop the samples whose agreement is not in `agreements`."""
        self._keep([sample for sample in self._samples if sample.agreement in agreements])

    def drop(self, sample: SharedKeyFrame) -> None:
        """Drop one sample, for instance because it cannot be decoded."""
        self._keep([kept for kept in self._samples if kept is not sample])

    def expire(self, before_s: float) -> None:
        """Drop the samples that were taken before that time."""
        self._keep([sample for sample in self._samples if sample.taken_s >= before_s])

    def _keep(self, samples: list[SharedKeyFrame]) -> None:
        self._seen *= len(samples) / max(1, len(self._samples))
        self._samples = samples
