"""The aggregator with a real Redis: what makes a global model, what is refused, and that a crash changes nothing."""

import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import redis
import safetensors.numpy

from cloud.federated.fedavg import Weights, read, write
from cloud.federated.registry import Registry
from pipeline.contract import redis_keys
from pipeline.contract.messages import WeightSnapshot
from pipeline.contract.settings import Settings
from pipeline.monitoring.metrics import LEARNING
from pipeline.queues.broker import connect
from pipeline.queues.counters import counts
from pipeline.queues.weight_snapshots import Snapshots, recent_globals
from support.paths import ROOT
from support.services.redis_process import RedisServer
from support.system.forks import Forks
from workers import aggregate
from workers.aggregate import DISK_RETRY_S, Aggregator

KEY = "a key of this deployment: 0123456789"
SHIPPED: Weights = {
    "encoder.stage.weight": np.linspace(-1, 1, 12, dtype=np.float16).reshape(3, 4),
    "decoder.stage.weight": np.linspace(-1, 1, 20, dtype=np.float16).reshape(4, 5),
    "decoder.stage.bias": np.linspace(0.5, 1, 5, dtype=np.float16),
}
TRAINED = {name: array.astype(np.float32) for name, array in SHIPPED.items() if name.startswith("decoder.")}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(aggregate, "BLOCK_MS", 1)


@pytest.fixture
def shipped(tmp_path) -> Path:
    path = tmp_path / "shipped.safetensors"
    path.write_bytes(write(SHIPPED))
    return path


@pytest.fixture
def registry(tmp_path, shipped) -> Registry:
    return Registry(tmp_path / "models", shipped)


@pytest.fixture
def settings(redis_url) -> Settings:
    return replace(Settings(), redis_url=redis_url, round_quorum=2, round_deadline_s=60.0, snapshot_key=KEY)


@pytest.fixture
def aggregator(settings, registry) -> Aggregator:
    aggregator = Aggregator(settings, registry, gate=lambda file: 1.0)
    aggregator.run_once(0)  # version 0 is announced, and the group made
    return aggregator


def trained(seed: int, size: float = 0.01) -> Weights:
    rng = np.random.default_rng(seed)
    return {name: (array + rng.normal(0, size, array.shape)).astype(np.float32) for name, array in TRAINED.items()}


def send(connection, edge_id: str, weights: Weights | bytes, *, base_version: int = 0, num_examples: int = 100) -> None:
    file = weights if isinstance(weights, bytes) else write(weights)
    published = {known.base_version: known.published for known in recent_globals(connection)}
    snapshot = WeightSnapshot.of(
        file,
        edge_id=edge_id,
        base_version=base_version,
        num_examples=num_examples,
        published=published.get(base_version, 0),
    )
    Snapshots(connection, KEY).publish_local(snapshot, file)


def counted(connection) -> dict[str, float]:
    return counts(connection, [f"mvs_{name}_total" for name in LEARNING])


def decoder(registry: Registry, version: int) -> Weights:
    return {name: array for name, array in read(registry.weights(version)).items() if name in TRAINED}


def test_the_first_global_is_the_shipped_file_itself(aggregator, connection, shipped):
    newest = Snapshots(connection, KEY).newest_global()

    assert (newest.edge_id, newest.base_version) == (redis_keys.CLOUD, 0)
    assert Snapshots(connection, KEY).weights(newest) == shipped.read_bytes()


def test_a_quorum_of_edges_makes_the_next_global_of_their_average(aggregator, connection, registry):
    send(connection, "a", trained(1), num_examples=100)
    send(connection, "b", trained(2), num_examples=300)

    aggregator.run_once(1)

    record = registry.latest()
    assert (record.version, record.origin, record.examples) == (1, "round", {"a": 100, "b": 300})
    for name, array in decoder(registry, 1).items():
        assert np.allclose(array, trained(1)[name] / 3 + trained(2)[name] * 2 / 3, atol=1e-6)  # 300 count as 200
    weights = read(registry.weights(1))
    assert (weights["encoder.stage.weight"] == SHIPPED["encoder.stage.weight"]).all()
    assert Snapshots(connection, KEY).newest_global().base_version == 1
    assert connection.xlen(redis_keys.WEIGHTS_LOCAL) == 0


def test_operators_are_told_of_a_round_while_it_fills_and_when_it_is_over(aggregator, connection):
    told = aggregator.metrics.registry.get_sample_value
    send(connection, "a", trained(1))
    aggregator.run_once(0)
    filling = told("mvs_round"), told("mvs_round_updates")
    send(connection, "b", trained(2))
    aggregator.run_once(1)

    assert filling == (0, 1)
    assert (told("mvs_round"), told("mvs_round_updates")) == (1, 0)
    assert told("mvs_holdout_loss", {"when": "before"}) == told("mvs_holdout_loss", {"when": "after"}) == 1


def test_one_edge_alone_makes_a_global_when_its_time_is_up(aggregator, connection, registry):
    send(connection, "a", trained(1))

    aggregator.run_once(100)
    aggregator.run_once(159)
    assert registry.latest().version == 0
    aggregator.run_once(160)

    assert registry.latest().version == 1


def test_a_stale_edge_counts_less_and_one_base_counts_once(aggregator, connection, registry):
    for edge_id in "ab":
        send(connection, edge_id, trained(1))
    aggregator.run_once(0)
    send(connection, "a", trained(3), num_examples=200)  # the same base again, more images
    send(connection, "b", trained(4), base_version=1)
    send(connection, "c", trained(5))  # late
    aggregator.run_once(1)

    assert registry.latest().examples == {"b": 100, "c": 100}
    assert registry.latest().counted == {"a": 0, "b": 1, "c": 0}
    assert counted(connection)["mvs_snapshots_refused_total"] == 1


def test_a_global_that_the_hold_out_clips_do_not_like_stays_away(settings, registry, connection, caplog):
    losses = iter([1.0, 1.06])
    aggregator = Aggregator(settings, registry, gate=lambda file: next(losses))
    aggregator.run_once(0)
    for edge_id in "ab":
        send(connection, edge_id, trained(1))

    aggregator.run_once(1)

    assert registry.latest().version == 0
    assert Snapshots(connection, KEY).newest_global().base_version == 0
    assert counted(connection)["mvs_rounds_refused_total"] == 1
    assert "round of a, b refused" in caplog.text
    assert connection.xlen(redis_keys.WEIGHTS_LOCAL) == 0


def float64() -> bytes:
    return safetensors.numpy.save({name: array.astype(np.float64) for name, array in TRAINED.items()})


def one(value: float) -> Weights:
    weights = trained(7)
    weights["decoder.stage.bias"][2] = value
    return weights


def turned() -> Weights:
    return {name: TRAINED[name] - 100 * (array - TRAINED[name]) for name, array in trained(1).items()}


REFUSED = {
    "nan": {"weights": one(np.nan)},
    "inf": {"weights": one(np.inf)},
    "-inf": {"weights": one(-np.inf)},
    "wrong shape": {"weights": {**trained(7), "decoder.stage.bias": np.zeros(4, np.float32)}},
    "float64": {"weights": float64()},
    "missing key": {"weights": {"decoder.stage.bias": trained(7)["decoder.stage.bias"]}},
    "extra key": {"weights": {**trained(7), "encoder.stage.weight": np.zeros((3, 4), np.float32)}},
    "replay": {"weights": trained(7), "base_version": 4, "edge_id": "a"},
    "stale": {"weights": trained(7), "base_version": 0},
    "future": {"weights": trained(7), "base_version": 9},
    "no file": {"weights": b"rubbish"},
    "no images": {"weights": trained(7), "num_examples": 0},
}
CLIPPED = {
    "1e30": {"weights": one(1e30)},
    "10^9 examples": {"weights": trained(7, size=0.02), "num_examples": 10**9},
    "turned a hundredfold": {"weights": turned()},
}


def five_rounds(aggregator: Aggregator, connection) -> None:
    for version in range(5):
        for seed, edge_id in enumerate("abc"):
            send(connection, edge_id, trained(seed), base_version=version)
        aggregator.run_once(version)


@pytest.fixture
def of_four(settings, registry, connection) -> Aggregator:
    aggregator = Aggregator(replace(settings, round_quorum=3), registry, gate=lambda file: 1.0)
    aggregator.run_once(0)
    five_rounds(aggregator, connection)
    assert registry.latest().version == 5
    return aggregator


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_update_is_refused_and_the_round_waits_for_a_good_one(of_four, connection, registry, name):
    bad = {"edge_id": "bad", "base_version": 5, **REFUSED[name]}
    send(connection, bad.pop("edge_id"), bad.pop("weights"), **bad)
    for edge_id in "ab":
        send(connection, edge_id, trained(1), base_version=5)
    of_four.run_once(100)
    assert registry.latest().version == 5
    assert counted(connection)["mvs_snapshots_refused_total"] == 1

    send(connection, "c", trained(1), base_version=5)
    of_four.run_once(101)

    assert registry.latest().examples.keys() == {"a", "b", "c"}


@pytest.mark.parametrize("name", CLIPPED)
def test_a_poisoned_update_of_one_of_four_does_little(settings, of_four, connection, registry, name):
    of_four._round.quorum = 4
    for edge_id in "abc":
        send(connection, edge_id, trained(1), base_version=5)
    send(connection, "bad", base_version=5, **CLIPPED[name])
    usual = registry.latest().norms[-1]

    of_four.run_once(100)

    assert registry.latest().version == 6
    before, after = decoder(registry, 5), decoder(registry, 6)
    moved = np.sqrt(sum(float(np.square(after[name] - before[name]).sum()) for name in after))
    assert all(np.isfinite(array).all() for array in after.values())
    assert moved <= 2 * usual


def test_an_aggregator_announces_what_redis_forgot_and_what_was_rolled_back(aggregator, connection, registry):
    for edge_id in "ab":
        send(connection, edge_id, trained(1))
    aggregator.run_once(0)
    connection.flushall()

    aggregator.run_once(1)
    assert Snapshots(connection, KEY).newest_global().base_version == 1
    registry.rollback(0)
    aggregator.run_once(2)

    newest = Snapshots(connection, KEY).newest_global()
    assert newest.base_version == 2
    assert Snapshots(connection, KEY).weights(newest) == registry.weights(0)


def test_nothing_built_on_what_was_rolled_back_counts(aggregator, connection, registry):
    for edge_id in "ab":
        send(connection, edge_id, trained(1))
    aggregator.run_once(0)
    send(connection, "a", trained(2), base_version=1)
    aggregator.run_once(1)
    registry.rollback(0)
    send(connection, "b", trained(2), base_version=1)
    aggregator.run_once(2)
    aggregator.run_once(100)

    assert registry.latest().version == 2
    assert counted(connection)["mvs_snapshots_refused_total"] == 1


def test_a_full_disk_is_one_alarm_and_nothing_is_lost(aggregator, connection, registry, monkeypatch, caplog):
    for edge_id in "ab":
        send(connection, edge_id, trained(1))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for now_s in (0, 1, DISK_RETRY_S + 1, 2 * DISK_RETRY_S + 2):
            aggregator.run_once(now_s)
    assert registry.latest().version == 0
    assert [record.levelno for record in caplog.records if "ALARM" in record.message] == [logging.ERROR]

    aggregator.run_once(100)

    assert registry.latest().version == 1
    assert connection.xlen(redis_keys.WEIGHTS_LOCAL) == 0


PROGRAM = """
import os
from dataclasses import replace
from pathlib import Path
import redis
from cloud.federated.registry import Registry
from pipeline.contract.settings import Settings
from workers import aggregate

def run(url, folder, shipped, key, die_at):
    calls = 0
    def dying(function):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == die_at:
                os.kill(os.getpid(), 9)
            return function(*args, **kwargs)
        return call
    redis.Connection.send_packed_command = dying(redis.Connection.send_packed_command)
    os.fsync, Path.replace = dying(os.fsync), dying(Path.replace)
    aggregate.BLOCK_MS = 20
    settings = replace(Settings(), redis_url=url, round_quorum=2, round_deadline_s=1e6, snapshot_key=key)
    registry = Registry(Path(folder), Path(shipped))
    aggregator = aggregate.Aggregator(settings, registry, lambda file: 1.0)
    while registry.latest().version < 1 or aggregator._round.updates():
        aggregator.run_once(0.0)
    aggregator.run_once(0.0)
    return calls
"""


def test_killed_at_ten_points_it_makes_the_same_global_and_counts_nothing_twice(
    redis_url, connection, tmp_path, shipped
):
    def send_a_round() -> None:
        connection.flushall()
        for edge_id, seed, examples in (("a", 1, 50), ("a", 2, 100), ("b", 3, 120)):
            send(connection, edge_id, trained(seed), num_examples=examples)
        send(connection, "c", b"rubbish")

    def aggregate(folder: Path, die_at: int = 0) -> tuple[int, object]:
        return forks.run(redis_url, str(folder), str(shipped), KEY, die_at)

    with Forks(PROGRAM) as forks:
        send_a_round()
        code, calls = aggregate(tmp_path / "undisturbed")
        undisturbed = Registry(tmp_path / "undisturbed", shipped).latest()
        assert code == 0 and undisturbed.examples == {"a": 100, "b": 120}

        for die_at in np.random.default_rng(0).choice(np.arange(1, calls + 1), 10, replace=False).tolist():
            send_a_round()
            folder = tmp_path / f"killed at {die_at}"
            assert aggregate(folder, die_at) == (-signal.SIGKILL, None)
            assert aggregate(folder)[0] == 0

            assert replace(Registry(folder, shipped).latest(), published=undisturbed.published) == undisturbed
            assert connection.xlen(redis_keys.WEIGHTS_LOCAL) == 0


def test_a_redis_that_is_killed_in_the_middle_of_a_round_loses_nothing(tmp_path, registry, settings):
    server = RedisServer(tmp_path, appendonly="yes", appendfsync="everysec")
    server.start()
    aggregator = Aggregator(replace(settings, redis_url=server.url), registry, gate=lambda file: 1.0)
    aggregator.run_once(0)
    with connect(server.url) as client:
        send(client, "a", trained(1))
        aggregator.run_once(1)
        server.kill()
        with pytest.raises(redis.RedisError):
            aggregator.run_once(2)
        server.start()
        send(client, "b", trained(2))

    again = Aggregator(replace(settings, redis_url=server.url), registry, gate=lambda file: 1.0)
    for now_s in (3, 4):
        again.run_once(now_s)

    server.stop()
    assert registry.latest().examples == {"a": 100, "b": 100}


def test_only_one_aggregator_works_on_a_folder(tmp_path, registry, settings):
    with registry.alone():
        command = [
            sys.executable,
            "-m",
            "workers",
            "aggregate",
            "--redis",
            settings.redis_url,
            "--models",
            str(tmp_path / "models"),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    assert done.returncode == 2
    assert "another aggregator" in done.stderr


def test_records_are_for_people_too(aggregator, connection, tmp_path):
    for edge_id in "ab":
        send(connection, edge_id, trained(1))
    aggregator.run_once(0)

    record = json.loads((tmp_path / "models" / "000001.json").read_text())

    assert record["examples"] == {"a": 100, "b": 100}


@pytest.mark.parametrize(
    "forge",
    [
        lambda snapshot: replace(snapshot, signature=b""),
        lambda snapshot: replace(snapshot, num_examples=10**6),
        lambda snapshot: replace(snapshot, edge_id="somebody"),
    ],
    ids=["unsigned", "more examples", "another edge"],
)
def test_weights_that_no_edge_of_ours_signed_do_not_count(aggregator, connection, registry, caplog, forge):
    send(connection, "a", trained(1))
    ((entry_id, fields),) = connection.xrange(redis_keys.WEIGHTS_LOCAL)
    connection.xdel(redis_keys.WEIGHTS_LOCAL, entry_id)
    connection.xadd(redis_keys.WEIGHTS_LOCAL, {"snapshot": forge(WeightSnapshot.unpack(fields[b"snapshot"])).pack()})

    aggregator.run_once(0)
    aggregator.run_once(1000)

    assert registry.latest().version == 0
    assert counted(connection)["mvs_snapshots_refused_total"] == 1
    assert "MVS_SNAPSHOT_KEY" in caplog.text


def test_weights_of_another_registrys_version_do_not_count(aggregator, connection, registry):
    snapshot = WeightSnapshot.of(write(trained(1)), edge_id="a", base_version=0, num_examples=100, published=5)
    Snapshots(connection, KEY).publish_local(snapshot, write(trained(1)))

    aggregator.run_once(0)
    aggregator.run_once(1000)

    assert registry.latest().version == 0


def test_without_a_key_it_sends_and_takes_nothing(settings, registry, connection, caplog):
    aggregator = Aggregator(replace(settings, snapshot_key=""), registry, gate=lambda file: 1.0)
    aggregator.run_once(0)
    aggregator.run_once(1)

    assert not connection.exists(redis_keys.WEIGHTS_GLOBAL)
    assert caplog.text.count("MVS_SNAPSHOT_KEY") == 1


def test_what_stands_in_the_globals_place_is_answered_with_the_true_one(aggregator, connection, registry):
    """It may be unsigned, an old one sent again, or one that was signed for another registry."""
    ((_, old),) = connection.xrange(redis_keys.WEIGHTS_GLOBAL)
    for edge_id in "ab":
        send(connection, edge_id, trained(1))
    aggregator.run_once(0)
    connection.delete(redis_keys.WEIGHTS_GLOBAL)
    connection.xadd(redis_keys.WEIGHTS_GLOBAL, old)
    connection.xadd(redis_keys.WEIGHTS_GLOBAL, {"snapshot": b"rubbish"})

    aggregator.run_once(1)

    assert Snapshots(connection, KEY).newest_global().base_version == 1


def test_no_surprise_ends_the_rounds(settings, registry, connection, monkeypatch, caplog):
    """It is logged once, counted each time, and the round is tried again until it works."""
    aggregator, troubles = Aggregator(settings, registry, gate=lambda file: 1.0), [OSError("no space")] * 3
    monkeypatch.setattr(aggregate.time, "sleep", lambda seconds: None)

    def work() -> None:
        if troubles:
            raise troubles.pop()

    aggregator._patiently(work, lambda: None)

    assert counted(connection)["mvs_learning_failures_total"] == 3
    assert caplog.text.count("ALARM") == 1
