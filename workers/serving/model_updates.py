"""The cloud's newest weights as they come. An edge's processes change to them, and never back to older ones."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from prometheus_client import Counter

from pipeline.contract.errors import MVStylizerError
from pipeline.contract.messages import WeightSnapshot
from pipeline.contract.settings import Settings
from pipeline.queues.broker import connect
from pipeline.queues.redis_errors import Outage, place
from pipeline.queues.signing import Signer
from pipeline.queues.weight_snapshots import Snapshots

if TYPE_CHECKING:
    from edge.grid_model.stylizer import Stylizer

logger = logging.getLogger(__name__)

#: A new global comes every few minutes; asking costs Redis 0.1 ms.
POLL_S = 1.0
#: A global whose parts are not all there is read again this often: the aggregator sends them anew.
PARTS_RETRY_S = 10.0


class Globals:
    """Globals that are genuine, and none older than one this edge has had, be it before a restart.

    A rollback is a new publication of old weights: it comes through. An old publication sent again does not.
    """

    def __init__(self, settings: Settings) -> None:
        connection = connect(settings.weights_url)
        self._snapshots = Snapshots(connection, settings.snapshot_key)
        # Of an edge's own Redis its loop tells.
        self._outage = Outage("the model", place(connection)) if settings.cloud_redis_url else None
        self._floor = Floor(settings.models_dir / f"{settings.edge_id}.adopted", Signer(settings.snapshot_key))
        self._seen: WeightSnapshot | None = None
        self._retry_s = 0.0

    def newest(self) -> WeightSnapshot | None:
        """Raises redis.RedisError."""
        snapshot = self._snapshots.newest_global()
        return snapshot if snapshot and self._floor.admits(snapshot) else None

    def weights(self, snapshot: WeightSnapshot) -> bytes:
        """Let no older global count from now on. Raises BadMessage if parts are missing, and redis.RedisError."""
        weights = self._snapshots.weights(snapshot)
        self._floor.rise(snapshot.published)
        return weights

    def fetch(self) -> bytes | None:
        """The newest global's safetensors file; None if it was taken before. Raises BadMessage, redis.RedisError."""
        snapshot, now_s = self.newest(), time.monotonic()
        if snapshot is None or snapshot == self._seen and now_s < self._retry_s:
            return None
        self._seen, self._retry_s = snapshot, now_s + PARTS_RETRY_S
        weights = self.weights(snapshot)
        self._retry_s = float("inf")  # also of one that turns out to be of no use: once is enough to try it
        return weights

    def follow(self, adopt: Callable[[bytes], None], failures: Counter) -> None:
        """Hand each new global to `adopt`, for ever. If anything goes wrong with one, the model in use stays."""
        while True:
            time.sleep(POLL_S)
            try:
                weights = self.fetch()
                if self._outage:
                    self._outage.ended()
                if weights:
                    adopt(weights)
            except redis.RedisError as error:
                if self._outage:
                    self._outage.failed(error)
            except (MVStylizerError, ValueError) as error:
                logger.warning("a global was refused: %s", error)
                failures.inc()
            except Exception:  # a full disk, no memory: the next one may do
                logger.exception("a global could not be adopted")
                failures.inc()


class Floor:
    """The newest publication that an edge has had, in a small file: a restart does not make it forget.

    Another key is another deployment, and begins anew. A file that cannot be written is not worth stopping for.
    """

    def __init__(self, path: Path, signer: Signer) -> None:
        self._path, self._of = path, signer.fingerprint()
        self._published = self._read()
        self._complained = False

    def admits(self, snapshot: WeightSnapshot) -> bool:
        return snapshot.published >= self._published

    def rise(self, published: int) -> None:
        """Other processes of this edge may have been here before."""
        if published <= self._published:
            return
        self._published = max(published, self._read())
        fresh = self._path.with_suffix(f".{os.getpid()}.new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_text(f"{self._of} {self._published}")
            fresh.replace(self._path)
        except OSError as error:
            if not self._complained:
                logger.warning("which model is in use is forgotten at the next start: %s", error)
            self._complained = True

    def _read(self) -> int:
        try:
            of, published = self._path.read_text().split()
            return int(published) if of == self._of else 0
        except (OSError, ValueError):
            return 0


def stylizer_of(weights: bytes) -> "Stylizer":
    """A warm model from the bytes of a safetensors file. Raises ValueError for weights of another model."""
    from edge.grid_model.stylizer import (
        Stylizer,  # torch: a trainer has not loaded it before there is something to learn
    )

    stylizer = Stylizer.parse(weights)
    stylizer.warm_up()
    return stylizer
