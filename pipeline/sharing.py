"""Shared key frames: a worker adds them, the edge's trainer reads them, and their sender can take them back."""
import time
from collections.abc import Iterator
from typing import NamedTuple

import redis

from pipeline import topology
from pipeline.counts import count
from pipeline.errors import BadMessage
from pipeline.messages import TrainingSample

#: Entries read at a time: a megabyte or two.
PAGE = 32


Fields = dict[bytes, bytes]


class Shared(NamedTuple):
    """One entry of the stream: a sample, or None and the stream that takes back all of its own."""

    stream_id: str
    sample: TrainingSample | None
    taken_s: float


class Sharing:
    """The samples of one edge. Methods may raise redis.RedisError."""

    def __init__(self, connection: redis.Redis, edge_id: str) -> None:
        self._redis, self._key = connection, topology.samples(edge_id)

    def add(self, sample: TrainingSample) -> None:
        """Offer a sample to the trainer; the oldest make room. One that was withdrawn meanwhile does not stay."""
        with self._redis.pipeline() as pipe:
            pipe.xadd(self._key, {"stream": sample.stream_id, "sample": sample.pack()})
            pipe.xtrim(self._key, maxlen=topology.SAMPLES_MAXLEN, approximate=False)
            pipe.expire(self._key, topology.SAMPLES_TTL_S)
            pipe.exists(topology.withdrawn(sample.stream_id))
            entry_id, crowded_out, _, withdrawn = pipe.execute()
        if withdrawn:
            self._redis.xdel(self._key, entry_id)
        count(self._redis, samples_added=not withdrawn, samples_dropped=crowded_out)

    def withdraw(self, stream_id: str) -> None:
        """Take back all of a stream's samples, here and in the trainer, and keep out those still on their way."""
        self._redis.set(topology.withdrawn(stream_id), b"", ex=topology.SAMPLES_TTL_S)
        own = [entry_id for entry_id, fields in self._entries() if fields.get(b"stream") == stream_id.encode()]
        with self._redis.pipeline() as pipe:
            if own:
                pipe.xdel(self._key, *own)
            pipe.xadd(self._key, {"withdrawn": stream_id})
            pipe.expire(self._key, topology.SAMPLES_TTL_S)
            pipe.execute()
        count(self._redis, samples_withdrawn=len(own))

    def allow(self, stream_id: str) -> None:
        """A stream that withdrew shares again, from now on."""
        self._redis.delete(topology.withdrawn(stream_id))

    def read(self, after: str) -> tuple[list[Shared], str]:
        """The next entries after a place in the stream ("0": its start), a page of them, and the place after those."""
        page = self._page(after)
        found = [self._shared(entry_id, fields) for entry_id, fields in page]
        return [shared for shared in found if shared], page[-1][0].decode() if page else after

    def expire(self) -> float:
        """Drop the samples older than a day; returns the time before which nothing may be kept."""
        oldest_s = time.time() - topology.SAMPLES_TTL_S
        count(self._redis, samples_expired=self._redis.xtrim(self._key, minid=int(oldest_s * 1000), approximate=False))
        return oldest_s

    def _shared(self, entry_id: bytes, fields: Fields) -> Shared | None:
        """None for what is no message of ours, and for what was withdrawn while it came in."""
        taken_s = int(entry_id.split(b"-")[0]) / 1000
        if b"withdrawn" in fields:
            return Shared(fields[b"withdrawn"].decode(errors="replace"), None, taken_s)
        try:
            sample = TrainingSample.unpack(fields.get(b"sample", b""))
        except BadMessage:
            count(self._redis, samples_refused=1)
            return None
        withdrawn = self._redis.exists(topology.withdrawn(sample.stream_id))
        return None if withdrawn else Shared(sample.stream_id, sample, taken_s)

    def _entries(self) -> Iterator[tuple[bytes, Fields]]:
        after = "0"
        while page := self._page(after):
            yield from page
            after = page[-1][0].decode()

    def _page(self, after: str) -> list[tuple[bytes, Fields]]:
        return self._redis.xrange(self._key, f"({after}", count=PAGE)
