"""Weights through a real Redis arrive complete or not at all, and are kept until they are acknowledged."""

import os
from dataclasses import replace

import pytest

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import MAX_BYTES, WeightSnapshot
from pipeline.queues.weight_snapshots import Snapshots

KEY = "a key of this deployment: 0123456789"
WEIGHTS = os.urandom(2 * MAX_BYTES + 5)


@pytest.fixture
def snapshots(connection):
    return Snapshots(connection, KEY)


def snapshot(weights: bytes = WEIGHTS, edge_id: str = "edge", base_version: int = 3) -> WeightSnapshot:
    return WeightSnapshot.of(
        weights, edge_id=edge_id, base_version=base_version, num_examples=400, loss_before=0.5, loss_after=0.4
    )


def arrived(snapshots: Snapshots, *, again: bool = False) -> list[WeightSnapshot | None]:
    return [found for _, found in snapshots.take(again=again, block_ms=1)]


def test_weights_travel_in_parts_and_come_out_as_they_went_in(snapshots, connection):
    snapshots.take(again=False, block_ms=1)
    snapshots.publish_local(snapshot(), WEIGHTS)

    ((entry_id, found),) = snapshots.take(again=False, block_ms=1)

    assert replace(found, signature=b"") == snapshot() and found.part_count == 3
    assert snapshots.weights(found) == WEIGHTS
    parts = [redis_keys.part("edge", found.sha256, i) for i in range(3)]
    assert max(connection.strlen(part) for part in parts) <= MAX_BYTES
    assert all(0 < connection.ttl(key) <= redis_keys.LOCAL_TTL_S for key in (*parts, redis_keys.WEIGHTS_LOCAL))


def test_what_was_taken_stays_until_it_is_acknowledged(snapshots):
    snapshots.take(again=False, block_ms=1)
    for edge_id in "ab":
        snapshots.publish_local(snapshot(b"weights", edge_id), b"weights")

    (first, _), (second, _) = snapshots.take(again=False, block_ms=1)
    snapshots.acknowledge(first)

    assert arrived(snapshots) == []
    assert [found.edge_id for found in arrived(snapshots, again=True)] == ["b"]
    snapshots.acknowledge(second)
    assert arrived(snapshots, again=True) == []


def test_what_came_before_the_first_aggregator_is_not_lost(snapshots):
    snapshots.publish_local(snapshot(b"weights"), b"weights")

    assert arrived(snapshots) == []  # the group is made
    assert [replace(found, signature=b"") for found in arrived(snapshots)] == [snapshot(b"weights")]


def test_entries_are_bounded_and_expire(snapshots, connection, monkeypatch):
    monkeypatch.setattr(redis_keys, "LOCAL_MAXLEN", 3)
    for i in range(5):
        snapshots.publish_local(snapshot(b"w", base_version=i), b"w")

    assert connection.xlen(redis_keys.WEIGHTS_LOCAL) == 3


def test_the_newest_global_is_what_counts(snapshots):
    assert snapshots.newest_global() is None

    for version in (1, 2):
        snapshots.publish_global(snapshot(b"%d" % version, redis_keys.CLOUD, version), b"%d" % version)

    newest = snapshots.newest_global()
    assert newest.base_version == 2 and snapshots.weights(newest) == b"2"
    assert snapshots.complete(newest)


def test_one_registry_at_a_time_leads_and_goes_on_after_a_crash(snapshots, connection):
    assert snapshots.lead("here:models")
    assert not snapshots.lead("there:models")
    assert Snapshots(connection, KEY).lead("here:models")
    assert 0 < connection.ttl(redis_keys.AGGREGATOR) <= redis_keys.AGGREGATOR_LEASE_S

    connection.delete(redis_keys.AGGREGATOR)  # as it expires

    assert snapshots.lead("there:models")


@pytest.mark.parametrize("damage", ["missing", "changed", "shortened"])
def test_incomplete_or_damaged_weights_are_refused(snapshots, connection, damage):
    snapshots.publish_global(snapshot(), WEIGHTS)
    key = redis_keys.part("edge", snapshot().sha256, 1)
    if damage == "missing":
        connection.delete(key)
    else:
        connection.set(key, b"x" * (MAX_BYTES if damage == "changed" else 7))

    assert snapshots.complete(snapshot()) == (damage != "missing")
    with pytest.raises(BadMessage, match="incomplete or damaged"):
        snapshots.weights(snapshot())


@pytest.mark.parametrize(
    "fields",
    [
        {"size_bytes": 0},
        {"size_bytes": -1},
        {"size_bytes": 1 << 40},
        {"sha256": "a"},
        {"sha256": "/" * 64},
        {"base_version": -1},
    ],
)
def test_a_snapshot_that_cannot_be_is_refused(fields):
    with pytest.raises(BadMessage):
        WeightSnapshot.unpack(replace(snapshot(), **fields).pack())


@pytest.mark.parametrize(
    "fields",
    [{"edge_id": "other"}, {"base_version": 4}, {"num_examples": 9999}, {"sha256": "0" * 64}, {"published": 1}],
)
def test_an_edges_weights_are_believed_as_they_were_signed_and_no_other_way(snapshots, connection, fields):
    snapshots.take(again=False, block_ms=1)
    snapshots.publish_local(snapshot(), WEIGHTS)
    ((_, found),) = snapshots.take(again=False, block_ms=1)

    assert snapshots.genuine_local(found)
    assert not snapshots.genuine_local(replace(found, **fields))
    assert not Snapshots(connection, KEY + "x").genuine_local(found)


def test_a_global_does_not_pass_for_an_edges_weights(snapshots):
    snapshots.publish_global(snapshot(edge_id=redis_keys.CLOUD), WEIGHTS)

    assert not snapshots.genuine_local(snapshots.newest_global())


def test_parts_that_are_larger_than_parts_are_not_read_whole(snapshots, connection):
    snapshots.publish_global(snapshot(), WEIGHTS)
    connection.set(redis_keys.part("edge", snapshot().sha256, 0), bytes(40 * MAX_BYTES))
    sent = connection.info("stats")["total_net_output_bytes"]

    with pytest.raises(BadMessage):
        snapshots.weights(snapshot())

    assert connection.info("stats")["total_net_output_bytes"] - sent < 4 * MAX_BYTES


LAST_ID = "18446744073709551615-18446744073709551615"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.xadd(redis_keys.WEIGHTS_LOCAL, {"snapshot": b""}, id=LAST_ID),
        lambda c: c.set(redis_keys.WEIGHTS_LOCAL, b"no stream"),
        lambda c: c.xadd(redis_keys.WEIGHTS_LOCAL, {"snapshot": bytes(2 * MAX_BYTES)}),
    ],
    ids=["the last id there is", "another type", "megabytes"],
)
def test_a_stream_that_was_spoilt_takes_weights_again(snapshots, connection, spoil):
    spoil(connection)
    arrived(snapshots)

    snapshots.publish_local(snapshot(b"w"), b"w")

    assert [found.sha256 for found in arrived(snapshots) + arrived(snapshots) if found] == [snapshot(b"w").sha256]


def test_rubbish_in_the_stream_is_nothing(snapshots, connection):
    snapshots.take(again=False, block_ms=1)
    connection.xadd(redis_keys.WEIGHTS_LOCAL, {"snapshot": b"rubbish"})
    connection.xadd(redis_keys.WEIGHTS_LOCAL, {"other": b""})

    assert arrived(snapshots) == [None, None]
