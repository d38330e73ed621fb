"""Sends weights between edges and the cloud: first in parts, then one signed entry that makes them visible.

If a sender dies in the middle, nobody reads its parts, and they expire. An entry that is not signed with the
deployment's key is ignored: it hides no other entry, and its parts are not even fetched.
"""

import logging
from hashlib import sha256

import redis

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import MAX_BYTES, WeightSnapshot
from pipeline.queues.counters import count
from pipeline.queues.redis_streams import append, recent, taken
from pipeline.queues.signing import Signer

logger = logging.getLogger(__name__)

GROUP = CONSUMER = "aggregator"

#: The id of an entry in the stream, and its snapshot; None if the entry is no message of ours.
Entry = tuple[bytes, WeightSnapshot | None]


class Snapshots:
    """The snapshots in Redis, for edges and the cloud. All methods may raise redis.RedisError."""

    def __init__(self, connection: redis.Redis, key: str = "") -> None:
        """`key` is the deployment's key. Without it no snapshot in Redis is used."""
        self._redis, self._signer = connection, Signer(key)
        self._refused: set[bytes] = set()  # ids of the entries that were logged as refused
        if not key:
            logger.warning(
                "MVS_SNAPSHOT_KEY is not set: models are neither taken from Redis nor sent there. "
                "Give all processes that learn the same 32 letters or more."
            )

    @property
    def signs(self) -> bool:
        return bool(self._signer)

    def publish_local(self, snapshot: WeightSnapshot, weights: bytes) -> None:
        """Send an edge's weights to the cloud."""
        snapshot = self._signer.signed("local", snapshot)
        self._publish(redis_keys.WEIGHTS_LOCAL, redis_keys.LOCAL_MAXLEN, redis_keys.LOCAL_TTL_S, snapshot, weights)

    def publish_global(self, snapshot: WeightSnapshot, weights: bytes) -> None:
        """Send the cloud's weights to all edges."""
        snapshot = self._signer.signed("global", snapshot)
        self._publish(redis_keys.WEIGHTS_GLOBAL, redis_keys.GLOBAL_MAXLEN, redis_keys.GLOBAL_TTL_S, snapshot, weights)

    def newest_global(self) -> WeightSnapshot | None:
        """Return the genuine global snapshot that was published last.

        The order is that of the signed publication times, so that an old snapshot which somebody sends again stays old.
        """
        entries = recent(self._redis, redis_keys.WEIGHTS_GLOBAL) if self.signs else []
        found = [(entry_id, _unpacked(fields)) for entry_id, fields in entries]
        good = [snapshot for _, snapshot in found if snapshot and self._of_cloud(snapshot)]
        self._complain({entry_id for entry_id, snapshot in found if not self._of_cloud(snapshot)})
        return max(good, key=lambda snapshot: snapshot.published, default=None)

    def genuine_local(self, snapshot: WeightSnapshot) -> bool:
        """Return whether an edge of this deployment sent exactly this snapshot."""
        return self._signer.genuine("local", snapshot)

    def complete(self, snapshot: WeightSnapshot) -> bool:
        """Return whether all parts of a snapshot's weights are in Redis."""
        return self._redis.exists(*_parts(snapshot)) == snapshot.part_count

    def weights(self, snapshot: WeightSnapshot) -> bytes:
        """Return a snapshot's weights; raises BadMessage unless all parts are there and match its SHA-256."""
        with self._redis.pipeline(transaction=False) as pipe:
            for part in _parts(snapshot):
                pipe.getrange(part, 0, MAX_BYTES)  # this reads one byte more than a part may have, to notice more
            data = b"".join(part for part in pipe.execute(raise_on_error=False) if isinstance(part, bytes))
        if len(data) != snapshot.size_bytes or sha256(data).hexdigest() != snapshot.sha256:
            raise BadMessage(f"The weights of {snapshot.edge_id} are incomplete or damaged.")
        return data

    def lead(self, registry: str) -> bool:
        """Take or renew the lease to publish global snapshots for this registry; return whether it holds it.

        Two registries that publish at the same time would take each other's edges away.
        """
        if self._redis.set(redis_keys.AGGREGATOR, registry, nx=True, ex=redis_keys.AGGREGATOR_LEASE_S):
            return True
        mine = self._redis.get(redis_keys.AGGREGATOR) == registry.encode()
        return mine and bool(self._redis.expire(redis_keys.AGGREGATOR, redis_keys.AGGREGATOR_LEASE_S))

    def take(self, *, again: bool, block_ms: int) -> list[Entry]:
        """Wait for local entries and take them; or, with `again`, those that were taken before but not acknowledged."""
        entries = taken(
            self._redis,
            redis_keys.WEIGHTS_LOCAL,
            GROUP,
            CONSUMER,
            again=again,
            block_ms=block_ms,
            count=redis_keys.LOCAL_MAXLEN,
        )
        return [(entry_id, _unpacked(fields)) for entry_id, fields in entries]

    def acknowledge(self, *entry_ids: bytes) -> None:
        """Remove entries that have been averaged or refused, all of them or none.

        Their parts are left to expire, since a second copy may still need them.
        """
        with self._redis.pipeline() as pipe:
            pipe.xack(redis_keys.WEIGHTS_LOCAL, GROUP, *entry_ids)
            pipe.xdel(redis_keys.WEIGHTS_LOCAL, *entry_ids)
            pipe.execute()

    def _of_cloud(self, snapshot: WeightSnapshot | None) -> bool:
        if snapshot is None or snapshot.edge_id != redis_keys.CLOUD:
            return False
        return self._signer.genuine("global", snapshot)

    def _complain(self, refused: set[bytes]) -> None:
        """Log and count each refused entry once. It stays in the stream until newer entries push it out."""
        if fresh := refused - self._refused:
            logger.warning("%d globals are not signed with this deployment's key: left alone", len(fresh))
            count(self._redis, globals_refused=len(fresh))
        self._refused = refused

    def _publish(self, key: str, maxlen: int, ttl_s: int, snapshot: WeightSnapshot, weights: bytes) -> None:
        for index, name in enumerate(_parts(snapshot)):
            self._redis.set(name, weights[index * MAX_BYTES : (index + 1) * MAX_BYTES], ex=ttl_s)
        append(self._redis, key, {"snapshot": snapshot.pack()}, maxlen=maxlen, ttl_s=ttl_s)


def recent_globals(connection: redis.Redis) -> list[WeightSnapshot]:
    """Return the global snapshots in Redis, oldest first, each version as it was sent last.

    Their signatures are not checked, so use them for display only. Raises redis.RedisError.
    """
    found = [_unpacked(fields) for _, fields in reversed(recent(connection, redis_keys.WEIGHTS_GLOBAL))]
    newest = {snapshot.base_version: snapshot for snapshot in found if snapshot}
    return [newest[version] for version in sorted(newest)][-redis_keys.GLOBAL_MAXLEN :]


def _parts(snapshot: WeightSnapshot) -> list[str]:
    return [redis_keys.part(snapshot.edge_id, snapshot.sha256, index) for index in range(snapshot.part_count)]


def _unpacked(fields: dict[bytes, bytes]) -> WeightSnapshot | None:
    try:
        return WeightSnapshot.unpack((fields or {}).get(b"snapshot", b""))
    except BadMessage:
        return None
