"""An edge adopts the cloud's newest weights if they are genuine and new, and survives everything else."""

import threading
from dataclasses import replace

import pytest
from prometheus_client import Counter
from safetensors.numpy import load_file, save

from cloud.federated.registry import Registry
from edge.grid_model.weights import SHIPPED
from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import WeightSnapshot
from pipeline.contract.settings import Settings
from pipeline.queues.counters import counts
from pipeline.queues.weight_snapshots import Snapshots
from workers.serving import model_updates as globals_
from workers.serving.model_updates import Globals, stylizer_of
from workers.stylize import first_model

KEY, OTHER_KEY = "a key of this deployment: 0123456789", "a key of another deployment: 01234567"
LAST_ID = "18446744073709551615-18446744073709551615"


@pytest.fixture
def settings(redis_url, tmp_path) -> Settings:
    return replace(Settings(), redis_url=redis_url, snapshot_key=KEY, models_dir=tmp_path / "models")


@pytest.fixture
def newest(settings) -> Globals:
    return Globals(settings)


def publish(connection, weights: bytes, version: int = 1, key: str = KEY, **fields: object) -> WeightSnapshot:
    snapshot = WeightSnapshot.of(weights, edge_id=redis_keys.CLOUD, base_version=version, published=version)
    Snapshots(connection, key).publish_global(replace(snapshot, **fields), weights)
    return snapshot


def entry(connection) -> bytes:
    """The newest entry, which somebody who reads Redis could send again."""
    return connection.xrevrange(redis_keys.WEIGHTS_GLOBAL, count=1)[0][1][b"snapshot"]


def test_each_global_is_fetched_once(newest, connection):
    assert newest.fetch() is None

    publish(connection, b"one")
    assert (newest.fetch(), newest.fetch()) == (b"one", None)

    publish(connection, b"two", 2)
    publish(connection, b"three", 3)
    assert (newest.fetch(), newest.fetch()) == (b"three", None)


def test_an_incomplete_global_is_refused_once_and_taken_when_it_is_whole(newest, connection, monkeypatch):
    snapshot = publish(connection, b"one")
    connection.delete(redis_keys.part(redis_keys.CLOUD, snapshot.sha256, 0))
    with pytest.raises(BadMessage):
        newest.fetch()
    assert newest.fetch() is None

    publish(connection, b"one")  # as the aggregator does
    newest._retry_s = 0.0  # ten seconds later

    assert (newest.fetch(), newest.fetch()) == (b"one", None)


@pytest.mark.parametrize("key", ["", OTHER_KEY], ids=["unsigned", "of another key"])
def test_only_what_this_deployment_signed_is_adopted(newest, connection, key):
    publish(connection, b"one")
    publish(connection, b"evil", 2, key)

    assert newest.fetch() == b"one"  # what is not genuine hides nothing
    assert counts(connection, ["mvs_globals_refused_total"]) == {"mvs_globals_refused_total": 1}
    assert newest.fetch() is None
    assert counts(connection, ["mvs_globals_refused_total"]) == {"mvs_globals_refused_total": 1}  # once


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0" * 64},
        {"base_version": 9},
        {"published": 99},
        {"edge_id": "edge"},
        {"size_bytes": 4},
        {"num_examples": 5},
        {"loss_after": 0.5},
    ],
)
def test_no_field_of_a_signed_global_can_be_changed(newest, connection, change):
    publish(connection, b"one")
    genuine = WeightSnapshot.unpack(entry(connection))
    connection.delete(redis_keys.WEIGHTS_GLOBAL)
    connection.xadd(redis_keys.WEIGHTS_GLOBAL, {"snapshot": replace(genuine, **change).pack()})

    assert newest.fetch() is None


def test_an_edges_own_weights_do_not_pass_for_a_global(newest, connection):
    snapshot = WeightSnapshot.of(b"mine", edge_id=redis_keys.CLOUD, base_version=7, published=7)
    Snapshots(connection, KEY).publish_local(snapshot, b"mine")
    ((_, fields),) = connection.xrange(redis_keys.WEIGHTS_LOCAL)
    connection.xadd(redis_keys.WEIGHTS_GLOBAL, fields)

    assert newest.fetch() is None


def test_an_old_global_sent_again_is_not_adopted_even_after_a_restart(newest, connection, settings):
    publish(connection, b"old", 1)
    replayed = entry(connection)
    publish(connection, b"new", 2)
    assert newest.fetch() == b"new"

    connection.xadd(redis_keys.WEIGHTS_GLOBAL, {"snapshot": replayed})
    assert newest.fetch() is None
    connection.delete(redis_keys.WEIGHTS_GLOBAL)
    connection.xadd(redis_keys.WEIGHTS_GLOBAL, {"snapshot": replayed})
    assert newest.fetch() is None
    assert Globals(settings).fetch() is None
    publish(connection, b"new", 2)
    assert Globals(settings).fetch() == b"new"  # a restart goes on with what there was


def test_a_rollback_is_adopted_and_so_is_a_registry_that_begins_anew(newest, connection, tmp_path):
    shipped, now_s = tmp_path / "shipped", iter(range(1000, 9000))
    shipped.write_bytes(b"shipped")

    def tell(registry: Registry) -> None:
        latest = registry.latest()
        publish(connection, registry.weights(latest.version), latest.version, published=latest.published)

    registry = Registry(tmp_path / "first", shipped, lambda: next(now_s))
    registry.begin()
    for version in (1, 2):
        registry.append(replace(registry.latest(), version=version), b"%d" % version)
    tell(registry)
    assert newest.fetch() == b"2"
    registry.rollback(1)
    tell(registry)
    assert newest.fetch() == b"1"
    lost = Registry(tmp_path / "second", shipped, lambda: next(now_s))
    lost.begin()
    tell(lost)
    assert newest.fetch() == b"shipped"


def test_without_a_key_nothing_is_adopted_and_it_is_said_once_what_to_set(settings, connection, caplog):
    publish(connection, b"one", key="")
    caplog.clear()

    edge = Globals(replace(settings, snapshot_key=""))

    assert [edge.fetch() for _ in range(3)] == [None] * 3
    assert caplog.text.count("MVS_SNAPSHOT_KEY") == 1


def test_another_deployments_past_is_not_held_against_this_one(newest, connection, settings):
    publish(connection, b"far ahead", 900)
    newest.fetch()

    other = Globals(replace(settings, snapshot_key=OTHER_KEY))
    publish(connection, b"begun", 1, OTHER_KEY)

    assert other.fetch() == b"begun"


@pytest.mark.parametrize("rubbish", [{"snapshot": b"rubbish"}, {"other": b""}, {"snapshot": b"\xc1" * 4000}])
def test_rubbish_at_the_head_hides_nothing(newest, connection, rubbish):
    publish(connection, b"one")
    for _ in range(20):
        connection.xadd(redis_keys.WEIGHTS_GLOBAL, rubbish)

    assert newest.fetch() == b"one"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.xadd(redis_keys.WEIGHTS_GLOBAL, {"snapshot": b""}, id=LAST_ID),
        lambda c: c.xadd(redis_keys.WEIGHTS_GLOBAL, {"snapshot": b""}, id="9999999999999-0"),
        lambda c: c.set(redis_keys.WEIGHTS_GLOBAL, b"no stream"),
        lambda c: [c.xadd(redis_keys.WEIGHTS_GLOBAL, {"snapshot": bytes(500_000)}) for _ in range(4)],
    ],
    ids=["the last id there is", "an id from the future", "another type", "megabytes"],
)
def test_a_stream_that_was_spoilt_recovers_with_the_next_global(newest, connection, spoil):
    spoil(connection)
    assert newest.fetch() is None

    publish(connection, b"one")
    for version in range(2, 10):
        publish(connection, b"next", version)

    assert newest.fetch() == b"next"


def test_no_failure_ends_the_updates(newest, connection, monkeypatch):
    """With a full disk or no memory, the present model stays, the failure is counted, and the next model is adopted."""
    monkeypatch.setattr(globals_, "POLL_S", 0.001)
    adopted, failures, done = [], Counter("failures", "", registry=None), threading.Event()
    errors = iter([OSError("no space"), MemoryError(), KeyError("x"), None])

    def adopt(weights: bytes) -> None:
        error = next(errors)
        version = len(adopted) + 2
        adopted.append(weights)
        if error is None:
            done.set()
            return
        publish(connection, b"%d" % version, version)
        raise error

    publish(connection, b"1")
    threading.Thread(target=newest.follow, args=(adopt, failures), daemon=True).start()

    assert done.wait(20)
    assert adopted == [b"1", b"2", b"3", b"4"]
    assert next(iter(failures.collect())).samples[0].value == 3


def test_where_nothing_can_be_written_updates_go_on(settings, connection, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    newest = Globals(replace(settings, models_dir=tmp_path / "file" / "models"))

    for version in (1, 2):
        publish(connection, b"%d" % version, version)
        assert newest.fetch() == b"%d" % version

    assert caplog.text.count("is forgotten at the next start") == 1


def test_a_model_needs_no_temporary_file(monkeypatch):
    def full(*args: object, **options: object) -> None:
        raise OSError("No space left on device")

    for name in ("NamedTemporaryFile", "mkdtemp", "mkstemp"):
        monkeypatch.setattr(f"tempfile.{name}", full)

    assert stylizer_of(SHIPPED.read_bytes()).model_version


def test_a_new_worker_starts_from_the_newest_global(newest, connection):
    weights = save({name: array + 0.001 for name, array in load_file(SHIPPED).items()})
    snapshot = publish(connection, weights)

    assert first_model(newest).model_version == snapshot.model_version


@pytest.mark.parametrize("weights", [b"rubbish", save({"other": load_file(SHIPPED)["smoothing.log_borrow"]})])
def test_a_worker_whose_model_the_global_does_not_fit_starts_with_its_own(newest, connection, weights):
    publish(connection, weights)

    assert first_model(newest).model_version == stylizer_of(SHIPPED.read_bytes()).model_version


def test_a_worker_without_redis_starts_with_its_own(settings):
    assert first_model(Globals(replace(settings, redis_url="redis://127.0.0.1:1/0"))).model_version
