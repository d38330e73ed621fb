"""What a stylize worker makes of the cloud's newest weights."""
import pytest
from safetensors.numpy import load_file, save

from edge.weights import SHIPPED
from pipeline import topology
from pipeline.broker import connect
from pipeline.errors import BadMessage
from pipeline.messages import WeightSnapshot
from pipeline.snapshots import Snapshots
from workers.globals import Globals, stylizer_of
from workers.stylize import first_model


@pytest.fixture
def connection(redis_url):
    with connect(redis_url) as client:
        yield client


def publish(connection, weights: bytes, version: int = 1) -> WeightSnapshot:
    snapshot = WeightSnapshot.of(weights, edge_id=topology.CLOUD, base_version=version)
    Snapshots(connection).publish_global(snapshot, weights)
    return snapshot


def test_each_global_is_fetched_once(redis_url, connection):
    newest = Globals(redis_url)
    assert newest.fetch() is None

    publish(connection, b"one")
    assert (newest.fetch(), newest.fetch()) == (b"one", None)

    publish(connection, b"two", 2)
    publish(connection, b"three", 3)
    assert (newest.fetch(), newest.fetch()) == (b"three", None)


def test_an_incomplete_global_is_refused_once(redis_url, connection):
    snapshot, newest = publish(connection, b"one"), Globals(redis_url)
    connection.delete(topology.part(topology.CLOUD, snapshot.sha256, 0))

    with pytest.raises(BadMessage):
        newest.fetch()
    assert newest.fetch() is None


def test_a_new_worker_starts_from_the_newest_global(redis_url, connection):
    weights = save({name: array + 0.001 for name, array in load_file(SHIPPED).items()})
    snapshot = publish(connection, weights)

    assert first_model(Globals(redis_url)).model_version == snapshot.model_version


@pytest.mark.parametrize("weights", [b"rubbish", save({"other": load_file(SHIPPED)["smoothing.log_borrow"]})])
def test_a_worker_whose_model_the_global_does_not_fit_starts_with_its_own(redis_url, connection, weights):
    publish(connection, weights)

    assert first_model(Globals(redis_url)).model_version == stylizer_of(SHIPPED.read_bytes()).model_version


def test_a_worker_without_redis_starts_with_its_own():
    assert first_model(Globals("redis://127.0.0.1:1/0")).model_version
