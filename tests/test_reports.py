"""What roles tell through Redis, and what a gateway shows of it."""
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from conftest import RedisServer
from pipeline import topology
from pipeline.broker import connect
from pipeline.counts import count
from pipeline.messages import RoleReport
from pipeline.metrics import TrainerMetrics, WorkerMetrics
from pipeline.reports import Reporter, Roles, key, parsed, read


@pytest.fixture
def connection(redis_url):
    with connect(redis_url) as client:
        yield client


def shown(connection) -> dict[str, float]:
    """What a gateway's /metrics says of other roles, by sample."""
    roles, registry = Roles(), CollectorRegistry()
    registry.register(roles)
    roles.told = read(connection)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {key(sample): sample.value for family in families for sample in family.samples}


def test_counters_of_two_workers_add_up_and_outlive_one_of_them(connection):
    workers = [WorkerMetrics(), WorkerMetrics()]
    reporters = [Reporter(connection, "stylize", worker.registry) for worker in workers]
    for worker, reporter, seconds in zip(workers, reporters, (1.5, 2.25), strict=True):
        worker.handled["answered"].inc(3)
        worker.busy_seconds.inc(seconds)
        worker.model.info({"version": "abc"})
        reporter.tell()
        reporter.tell()  # nothing is counted twice
    both = shown(connection)
    connection.delete(topology.role(reporters[0]._name))  # as its time to live does
    one = shown(connection)

    answered = 'mvs_edge_key_frames_total{"outcome": "answered"}'
    assert both[answered] == one[answered] == 6
    assert both["mvs_edge_busy_seconds_total"] == one["mvs_edge_busy_seconds_total"] == 3.75
    assert (both['mvs_processes{"role": "stylize"}'], one['mvs_processes{"role": "stylize"}']) == (2, 1)
    assert (both['mvs_model_info{"version": "abc"}'], one['mvs_model_info{"version": "abc"}']) == (2, 1)
    assert connection.scard(topology.ROLES) == 1


def test_what_was_counted_while_redis_was_away_is_told_afterwards(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    with connect(server.url) as connection:
        trainer = TrainerMetrics()
        reporter = Reporter(connection, "train", trainer.registry)
        trainer.images.inc(8)
        server.stop()
        with pytest.raises(Exception, match="onnect"):
            reporter.tell()
        trainer.images.inc(8)
        server.start()
        reporter.tell()

        assert shown(connection)["mvs_training_images_total"] == 16
    server.stop()


def test_all_a_role_has_is_shown_before_anything_happened(connection):
    before = shown(connection)

    assert before["mvs_rounds_total"] == before["mvs_round"] == before['mvs_processes{"role": "aggregate"}'] == 0
    assert before['mvs_training_loss_count{"when": "after"}'] == 0


def test_what_is_no_metric_of_ours_is_not_shown(connection):
    count(connection, rounds=2)
    for name in ("mvs_secret_total", 'mvs_rounds_total{"a b": "x"}', 'mvs_rounds_total{', "mvs_rounds_total{[1]"):
        connection.hset(topology.COUNTS, name, 5)
    for name, report in {"a": b"no report", "b": RoleReport("train", b"[]").pack(),
                         "c": RoleReport("train", b'{"mvs_training_samples": "9"}').pack()}.items():
        connection.set(topology.role(name), report)
        connection.sadd(topology.ROLES, name)

    after = shown(connection)

    assert after["mvs_rounds_total"] == 2
    assert after["mvs_training_samples"] == 0
    assert not [name for name in after if "secret" in name or "a b" in name]


def test_a_report_expires_and_names_do_not_pile_up(connection):
    for _ in range(3):
        Reporter(connection, "train", CollectorRegistry()).tell()

    assert 0 < connection.ttl(topology.ROLES) <= topology.ROLES_TTL_S
    for name in connection.smembers(topology.ROLES):
        assert 0 < connection.ttl(topology.role(name.decode())) <= topology.ROLE_TTL_S


@given(st.from_regex("[a-z_]{1,9}", fullmatch=True),
       st.dictionaries(st.from_regex("[a-z_]{1,9}", fullmatch=True), st.text(max_size=9), max_size=3))
def test_a_sample_is_read_as_it_was_written(name, labels):
    assert parsed(key(Sample(name, labels, 1.5)), 1.5)[:3] == (name, labels, 1.5)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text):
    sample = parsed(text, 1.0)
    assert sample is None or isinstance(sample.labels, dict)
