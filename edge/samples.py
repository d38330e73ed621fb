"""What an edge may learn from: a bounded, even choice of the key frames that were shared with it."""

import random
from typing import NamedTuple


class Sample(NamedTuple):
    """A shared key frame."""

    stream_id: str
    style_id: str
    picture: bytes  # as it came, encoded: ten times smaller than its pixels
    taken_s: float


class Reservoir:
    """Keeps `capacity` samples, each seen one with equal chance (Vitter's algorithm R)."""

    def __init__(self, capacity: int, seed: int = 0) -> None:
        self._capacity, self._random = capacity, random.Random(seed)
        self._samples: list[Sample] = []
        self._seen = 0.0  # those that the kept ones stand for

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: Sample) -> None:
        self._seen += 1
        if len(self._samples) < self._capacity:
            self._samples.append(sample)
        elif (place := self._random.randrange(int(self._seen))) < self._capacity:
            self._samples[place] = sample

    def draw(self, count: int) -> list[Sample]:
        """Any `count` of the kept samples, again and again; there must be one."""
        return self._random.choices(self._samples, k=count)

    def forget(self, stream_id: str) -> None:
        """Drop what a stream has shared."""
        self._keep([sample for sample in self._samples if sample.stream_id != stream_id])

    def expire(self, before_s: float) -> None:
        """Drop what was taken before then."""
        self._keep([sample for sample in self._samples if sample.taken_s >= before_s])

    def _keep(self, samples: list[Sample]) -> None:
        self._seen *= len(samples) / max(1, len(self._samples))
        self._samples = samples
