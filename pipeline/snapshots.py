"""Weights on their way between edges and cloud: parts first, then one entry that makes them visible.

A maker that dies in the middle leaves parts that nobody looks for, and that expire.
"""
from hashlib import sha256

import redis

from pipeline import topology
from pipeline.errors import BadMessage
from pipeline.messages import MAX_BYTES, WeightSnapshot

GROUP = CONSUMER = "aggregator"

#: An entry of the stream, and what it says; None where that is nothing of ours.
Entry = tuple[bytes, WeightSnapshot | None]


class Snapshots:
    """Methods may raise redis.RedisError."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def publish_local(self, snapshot: WeightSnapshot, weights: bytes) -> None:
        """Send an edge's weights to the cloud."""
        self._publish(topology.WEIGHTS_LOCAL, topology.LOCAL_MAXLEN, topology.LOCAL_TTL_S, snapshot, weights)

    def publish_global(self, snapshot: WeightSnapshot, weights: bytes) -> None:
        """Send the cloud's weights to all edges."""
        self._publish(topology.WEIGHTS_GLOBAL, topology.GLOBAL_MAXLEN, topology.GLOBAL_TTL_S, snapshot, weights)

    def newest_global(self) -> WeightSnapshot | None:
        """Raises BadMessage where the newest entry is none of ours."""
        newest = self._redis.xrevrange(topology.WEIGHTS_GLOBAL, count=1)
        return WeightSnapshot.unpack(newest[0][1].get(b"snapshot", b"")) if newest else None

    def recent_globals(self) -> list[WeightSnapshot]:
        """Those that Redis still names, oldest first, each version as it was last sent."""
        found = [_unpacked(fields) for _, fields in self._redis.xrange(topology.WEIGHTS_GLOBAL)]
        newest = {snapshot.base_version: snapshot for snapshot in found if snapshot}
        return [newest[version] for version in sorted(newest)]

    def complete(self, snapshot: WeightSnapshot) -> bool:
        """Whether all parts are there."""
        return self._redis.exists(*_parts(snapshot)) == snapshot.part_count

    def weights(self, snapshot: WeightSnapshot) -> bytes:
        """Raises BadMessage unless all parts are there and make up what was promised."""
        data = b"".join(part or b"" for part in self._redis.mget(_parts(snapshot)))
        if len(data) != snapshot.size_bytes or sha256(data).hexdigest() != snapshot.sha256:
            raise BadMessage(f"The weights of {snapshot.edge_id} are incomplete or damaged.")
        return data

    def lead(self, registry: str) -> bool:
        """Whether globals come from this registry for now: two would take each other's edges away."""
        if self._redis.set(topology.AGGREGATOR, registry, nx=True, ex=topology.AGGREGATOR_LEASE_S):
            return True
        mine = self._redis.get(topology.AGGREGATOR) == registry.encode()
        return mine and bool(self._redis.expire(topology.AGGREGATOR, topology.AGGREGATOR_LEASE_S))

    def take(self, *, again: bool, block_ms: int) -> list[Entry]:
        """Local entries that came in, waiting for one; or `again` those that were taken and not acknowledged."""
        try:
            streams = self._redis.xreadgroup(
                GROUP, CONSUMER, {topology.WEIGHTS_LOCAL: "0" if again else ">"}, count=topology.LOCAL_MAXLEN,
                block=block_ms,
            )
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._redis.xgroup_create(topology.WEIGHTS_LOCAL, GROUP, id="0", mkstream=True)
            return []
        return [(entry_id, _unpacked(fields)) for _, entries in streams or () for entry_id, fields in entries]

    def acknowledge(self, *entry_ids: bytes) -> None:
        """These count, or never will: all are gone, or none. Their parts expire: a second copy may still need them."""
        with self._redis.pipeline() as pipe:
            pipe.xack(topology.WEIGHTS_LOCAL, GROUP, *entry_ids)
            pipe.xdel(topology.WEIGHTS_LOCAL, *entry_ids)
            pipe.execute()

    def _publish(self, key: str, maxlen: int, ttl_s: int, snapshot: WeightSnapshot, weights: bytes) -> None:
        for index, name in enumerate(_parts(snapshot)):
            self._redis.set(name, weights[index * MAX_BYTES : (index + 1) * MAX_BYTES], ex=ttl_s)
        with self._redis.pipeline() as pipe:
            pipe.xadd(key, {"snapshot": snapshot.pack()}, maxlen=maxlen, approximate=False)
            pipe.expire(key, ttl_s)
            pipe.execute()


def _parts(snapshot: WeightSnapshot) -> list[str]:
    return [topology.part(snapshot.edge_id, snapshot.sha256, index) for index in range(snapshot.part_count)]


def _unpacked(fields: dict[bytes, bytes]) -> WeightSnapshot | None:
    try:
        return WeightSnapshot.unpack((fields or {}).get(b"snapshot", b""))
    except BadMessage:
        return None
