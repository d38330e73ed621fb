"""The cloud's newest weights, as they come: what stylize workers swap to."""
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import redis

from edge.stylizer import Stylizer
from pipeline.broker import connect
from pipeline.errors import MVStylizerError
from pipeline.messages import WeightSnapshot
from pipeline.snapshots import Snapshots

logger = logging.getLogger(__name__)

#: A new global comes every few minutes; asking costs Redis 0.1 ms.
POLL_S = 1.0


class Globals:
    """Remembers which global was had last. Everything that can go wrong with one leaves the model in use as it is."""

    def __init__(self, redis_url: str) -> None:
        self._snapshots = Snapshots(connect(redis_url))
        self._seen: WeightSnapshot | None = None

    def fetch(self) -> bytes | None:
        """The newest global's safetensors file, if it was not had yet. Raises MVStylizerError and redis.RedisError."""
        snapshot = self._snapshots.newest_global()
        if snapshot is None or snapshot == self._seen:
            return None
        self._seen = snapshot  # also of a bad one: once is enough to try it
        return self._snapshots.weights(snapshot)

    def follow(self, adopt: Callable[[bytes], None]) -> None:
        """Hand every new global to `adopt`, for ever."""
        while True:
            time.sleep(POLL_S)
            try:
                if weights := self.fetch():
                    adopt(weights)
            except redis.RedisError as error:
                logger.info("Redis does not answer (%s), trying again", error)
            except (MVStylizerError, ValueError) as error:
                logger.warning("a global was refused: %s", error)


def stylizer_of(weights: bytes) -> Stylizer:
    """A warm model of a safetensors file's bytes. Raises ValueError where they are of another model."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(weights)
        file.flush()
        stylizer = Stylizer.load(Path(file.name))
    stylizer.warm_up()
    return stylizer
