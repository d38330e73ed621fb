"""What an edge may learn from: a bounded, even choice of the key frames that were shared with it."""

import random
from collections.abc import Container
from typing import NamedTuple


class SharedKeyFrame(NamedTuple):
    """A shared key frame."""

    shared_by: str
    style_id: str
    picture: bytes  # as it came, encoded: ten times smaller than its pixels
    taken_s: float
    consent: str = ""  # the token of who agreed to its being learned from

    @property
    def agreement(self) -> tuple[str, str]:
        """Whose word stands for it."""
        return self.shared_by, self.consent


class Reservoir:
    """Keeps `capacity` samples, each seen one with equal chance (Vitter's algorithm R)."""

    def __init__(self, capacity: int, seed: int = 0) -> None:
        self._capacity, self._random = capacity, random.Random(seed)
        self._samples: list[SharedKeyFrame] = []
        self._seen = 0.0  # those that the kept ones stand for

    def __len__(self) -> int:
        return len(self._samples)

    def observe(self, sample: SharedKeyFrame) -> None:
        self._seen += 1
        if len(self._samples) < self._capacity:
            self._samples.append(sample)
        elif (place := self._random.randrange(int(self._seen))) < self._capacity:
            self._samples[place] = sample

    def draw(self, count: int) -> list[SharedKeyFrame]:
        """Any `count` of the kept samples, again and again; there must be one."""
        return self._random.choices(self._samples, k=count)

    def agreements(self) -> set[tuple[str, str]]:
        """All that must stand for the kept samples to stay."""
        return {sample.agreement for sample in self._samples}

    def keep_standing(self, agreements: Container[tuple[str, str]]) -> None:
        """Drop what nobody agrees to any more."""
        self._keep([sample for sample in self._samples if sample.agreement in agreements])

    def drop(self, sample: SharedKeyFrame) -> None:
        """Drop one that is of no use, wherever it is kept."""
        self._keep([kept for kept in self._samples if kept is not sample])

    def expire(self, before_s: float) -> None:
        """Drop what was taken before then."""
        self._keep([sample for sample in self._samples if sample.taken_s >= before_s])

    def _keep(self, samples: list[SharedKeyFrame]) -> None:
        self._seen *= len(samples) / max(1, len(self._samples))
        self._samples = samples
