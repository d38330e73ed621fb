"""Fetches the cloud's newest weights for an edge's processes, and never lets them go back to older ones."""

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
    from edge.grid_model.stylizer import GridStylizer

logger = logging.getLogger(__name__)

#: How often Redis is asked for a new global, which costs it 0.1 ms. One comes every few minutes.
POLL_S = 1.0
#: A global with missing parts is read again after this time, since the aggregator sends the parts again.
PARTS_RETRY_S = 10.0


class Globals:
    """Finds genuine global models, and none published before one that this edge has had, even before a restart.

    A rollback is a new publication of old weights, so it is accepted. An old publication that is sent again is not.
    """

    def __init__(self, settings: Settings) -> None:
        connection = connect(settings.weights_url)
        self._snapshots = Snapshots(connection, settings.snapshot_key)
        # Outages of the edge's own Redis are logged by the worker's main loop.
        self._outage = Outage("the model", place(connection)) if settings.cloud_redis_url else None
        self._floor = Floor(settings.models_dir / f"{settings.edge_id}.adopted", Signer(settings.snapshot_key))
        self._seen: WeightSnapshot | None = None
        self._retry_s = 0.0

    def newest(self) -> WeightSnapshot | None:
        """Return the newest acceptable global, or None. Raises redis.RedisError."""
        snapshot = self._snapshots.newest_global()
        return snapshot if snapshot and self._floor.admits(snapshot) else None

    def weights(self, snapshot: WeightSnapshot) -> bytes:
        """Return a global's safetensors file; no older global is accepted from now on.

        Raises BadMessage if parts are missing, and redis.RedisError.
        """
        weights = self._snapshots.weights(snapshot)
        self._floor.rise(snapshot.published)
        return weights

    def fetch(self) -> bytes | None:
        """Return the newest global's safetensors file, or None if it was returned before.

        Raises BadMessage and redis.RedisError.
        """
        snapshot, now_s = self.newest(), time.monotonic()
        if snapshot is None or snapshot == self._seen and now_s < self._retry_s:
            return None
        self._seen, self._retry_s = snapshot, now_s + PARTS_RETRY_S
        weights = self.weights(snapshot)
        self._retry_s = float("inf")  # it is tried only once, even if it turns out to be unusable
        return weights

    def follow(self, adopt: Callable[[bytes], None], failures: Counter) -> None:
        """Pass each new global to `adopt`, for ever. If one fails, the model in use stays, and `failures` counts it."""
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
            except Exception:  # memory or disk may be full; the next global may succeed
                logger.exception("a global could not be adopted")
                failures.inc()


class Floor:
    """The time of the newest publication that an edge has had, kept in a small file so that it survives a restart.

    With another key the edge belongs to another deployment, and starts from 0. If the file cannot be written, a warning
    is logged and the work goes on.
    """

    def __init__(self, path: Path, signer: Signer) -> None:
        self._path, self._of = path, signer.fingerprint()
        self._published = self._read()
        self._complained = False

    def admits(self, snapshot: WeightSnapshot) -> bool:
        return snapshot.published >= self._published

    def rise(self, published: int) -> None:
        """Raise the floor to this publication. Other processes of this edge may have raised it further."""
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


def stylizer_of(weights: bytes) -> "GridStylizer":
    """Load and warm up a model, given a safetensors file. Raises ValueError for weights of another model."""
    from edge.grid_model.stylizer import (
        GridStylizer,  # it imports torch, which a trainer does not load before there is something to learn
    )

    stylizer = GridStylizer.parse(weights)
    stylizer.warm_up()
    return stylizer
