"""The counts that roles push through Redis, and how a gateway shows them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import MAX_BYTES, RoleReport
from pipeline.monitoring.metrics import AggregatorMetrics, TrainerMetrics, WorkerMetrics
from pipeline.monitoring.metrics_push import (
    MOST_MODELS,
    Reporter,
    RoleCollector,
    WorkerReport,
    key,
    parsed,
    read,
    together,
)
from pipeline.queues.counters import count


def shown(connection) -> dict[str, float]:
    """The samples of other roles in a gateway's /metrics."""
    roles, registry = RoleCollector(), CollectorRegistry()
    registry.register(roles)
    roles.pushed = read(connection)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {key(sample): sample.value for family in families for sample in family.samples}


def test_counters_of_two_workers_add_up_and_outlive_one_of_them(connection):
    workers = [WorkerMetrics(), WorkerMetrics()]
    reporters = [Reporter(connection, "stylize", worker.registry) for worker in workers]
    for worker, reporter, seconds in zip(workers, reporters, (1.5, 2.25), strict=True):
        worker.handled["answered"].inc(3)
        worker.busy_seconds.inc(seconds)
        worker.model.info({"version": "abc"})
        reporter.push()
        reporter.push()  # nothing is counted twice
    both = shown(connection)
    connection.delete(redis_keys.role(reporters[0]._name))  # as its time to live does
    one = shown(connection)

    answered = 'mvs_edge_key_frames_total{"outcome": "answered"}'
    assert both[answered] == one[answered] == 6
    assert both["mvs_edge_busy_seconds_total"] == one["mvs_edge_busy_seconds_total"] == 3.75
    assert (both['mvs_processes{"role": "stylize"}'], one['mvs_processes{"role": "stylize"}']) == (2, 1)
    assert (both['mvs_model_info{"version": "abc"}'], one['mvs_model_info{"version": "abc"}']) == (2, 1)
    assert connection.scard(redis_keys.ROLES) == 1


def test_a_loss_that_nobody_measured_yet_is_not_shown_as_a_perfect_one(connection):
    metrics = AggregatorMetrics()
    reporter, loss = Reporter(connection, "aggregate", metrics.registry), 'mvs_holdout_loss{"when": "after"}'
    reporter.push()
    unmeasured = shown(connection)
    metrics.measured(2.0, 1.5)
    reporter.push()

    assert loss not in unmeasured and unmeasured["mvs_round"] == 0
    assert shown(connection)[loss] == 1.5


def test_all_a_role_has_is_shown_before_anything_happened(connection):
    before = shown(connection)

    assert before["mvs_rounds_total"] == before["mvs_round"] == before['mvs_processes{"role": "aggregate"}'] == 0
    assert before['mvs_training_loss_count{"when": "after"}'] == 0


def test_what_is_no_metric_of_ours_is_not_shown(connection):
    count(connection, rounds=2)
    for name in ("mvs_secret_total", 'mvs_rounds_total{"a b": "x"}', "mvs_rounds_total{", "mvs_rounds_total{[1]"):
        connection.hset(redis_keys.COUNTS, name, 5)
    for name, report in {
        "a": b"no report",
        "b": RoleReport("train", b"[]").pack(),
        "c": RoleReport("train", b'{"mvs_training_samples": "9"}').pack(),
    }.items():
        connection.set(redis_keys.role(name), report)
        connection.sadd(redis_keys.ROLES, name)

    after = shown(connection)

    assert after["mvs_rounds_total"] == 2
    assert after["mvs_training_samples"] == 0
    assert not [name for name in after if "secret" in name or "a b" in name]


NAN_TEXTS = [b"nan", b"inf", b"-inf", b"x", b"", b"1e300", b"-50", b"1" * 5000, b"\xff"]


class Odd:
    """A collector with a single counter, which a test sets."""

    value = 5.0

    def collect(self):
        family = CounterMetricFamily("mvs_training_images", "Images")
        family.add_metric([], self.value)
        yield family


def test_a_counter_that_was_no_number_for_a_while_is_counted_once(connection):
    """Before, it was counted again from zero."""
    registry, odd = CollectorRegistry(), Odd()
    registry.register(odd)
    reporter = Reporter(connection, "train", registry)

    for odd.value in (5.0, float("nan"), float("inf"), 7.0):
        reporter.push()

    assert shown(connection)["mvs_training_images_total"] == 7


@pytest.mark.parametrize("text", NAN_TEXTS, ids=repr)
def test_a_counter_that_holds_no_number_is_not_shown_and_counts_again(connection, text):
    connection.hset(redis_keys.COUNTS, "mvs_training_images_total", text)
    trainer = TrainerMetrics()
    reporter = Reporter(connection, "train", trainer.registry)
    trainer.images.inc(8)

    before = shown(connection)["mvs_training_images_total"]
    for _ in range(3):
        reporter.push()

    assert (before, shown(connection)["mvs_training_images_total"]) == (0, 8)  # once, not each second


def test_one_counter_that_holds_no_number_keeps_no_other_from_counting(connection):
    connection.hset(redis_keys.COUNTS, 'mvs_training_loss_sum{"when": "after"}', "nan")
    trainer = TrainerMetrics()
    reporter = Reporter(connection, "train", trainer.registry)
    trainer.loss["after"].observe(0.5)
    trainer.images.inc(8)

    for _ in range(3):
        reporter.push()

    assert shown(connection)["mvs_training_images_total"] == 8
    assert shown(connection)['mvs_training_loss_sum{"when": "after"}'] == 0.5


def test_what_a_role_itself_took_for_no_number_is_not_told(connection):
    trainer = TrainerMetrics()
    reporter = Reporter(connection, "train", trainer.registry)
    trainer.loss["after"].observe(float("nan"))
    trainer.samples.set(float("inf"))
    trainer.images.inc(8)

    reporter.push()

    assert shown(connection)["mvs_training_images_total"] == 8
    assert shown(connection)["mvs_training_samples"] == 0


@pytest.mark.parametrize(
    "gauges",
    [
        b'{"mvs_training_samples": NaN}',
        b'{"mvs_training_samples": Infinity}',
        b'{"mvs_training_samples": 1e999}',
        b'{"mvs_training_samples": %s}' % (b"9" * 400),
        b'{"mvs_training_samples": true}',
        b'{"mvs_training_samples": -1e300}',
        b"[" * 9000,
        b"\xff",
        json.dumps({f"mvs_{i}": 1 for i in range(50_000)}).encode(),
        json.dumps({f"g{i}": 1 for i in range(300)}).encode(),
        json.dumps({"x" * 5000: 1}).encode(),
    ],
    ids=lambda gauges: repr(gauges[:40]),
)
def test_a_report_beyond_what_roles_have_is_refused(connection, gauges):
    with pytest.raises(BadMessage):
        RoleReport.unpack(RoleReport("train", gauges[:MAX_BYTES]).pack())
    connection.set(redis_keys.role("hostile"), RoleReport("train", gauges).pack())
    connection.sadd(redis_keys.ROLES, "hostile")

    after = shown(connection)

    assert after["mvs_training_samples"] == 0
    assert after["mvs_reports_refused_total"] == 1
    assert shown(connection)["mvs_reports_refused_total"] == 1  # once


def test_gauges_and_models_that_nobody_knows_are_left_out(connection):
    many = {f'mvs_model_info{{"version": "{i:06x}"}}': 1 for i in range(200)}
    for name, gauges in (("a", {"mvs_training_samples": 3, "mvs_made_up": 1}), ("b", many)):
        connection.set(redis_keys.role(name), RoleReport("train", json.dumps(gauges).encode()).pack())
        connection.sadd(redis_keys.ROLES, name)

    told = read(connection)

    assert told.gauges["mvs_training_samples"] == 3
    assert "mvs_made_up" not in told.gauges
    assert sum(name.startswith("mvs_model_info") for name in told.gauges) == MOST_MODELS


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.set(redis_keys.ROLES, "x"),
        lambda c: c.set(redis_keys.COUNTS, "x"),
        lambda c: c.lpush(redis_keys.COUNTS, "x"),
        lambda c: [
            c.sadd(redis_keys.ROLES, *(f"train.{i:032x}" for i in range(n, n + 5000))) for n in range(0, 40000, 5000)
        ],
        lambda c: c.sadd(redis_keys.ROLES, b"\xff" * 70_000),
        lambda c: c.hset(redis_keys.COUNTS, mapping={f"mvs_{i}": "x" * 1000 for i in range(9000)}),
        lambda c: c.hset(redis_keys.COUNTS, "mvs_training_images_total", "9" * 9_000_000),
        lambda c: (c.sadd(redis_keys.ROLES, "big"), c.set(redis_keys.role("big"), bytes(20_000_000))),
        lambda c: (c.sadd(redis_keys.ROLES, "list"), c.lpush(redis_keys.role("list"), "x")),
    ],
    ids=[
        "roles a string",
        "counts a string",
        "counts a list",
        "many roles",
        "a long name",
        "many fields",
        "a long number",
        "a long report",
        "a report that is a list",
    ],
)
def test_whatever_stands_in_redis_costs_little_and_what_is_told_comes_through(connection, spoil):
    spoil(connection)
    sent = connection.info("stats")["total_net_output_bytes"]

    read(connection)

    assert connection.info("stats")["total_net_output_bytes"] - sent < 200_000
    trainer = TrainerMetrics()
    trainer.images.inc(8)
    trainer.samples.set(5)
    reporter = Reporter(connection, "train", trainer.registry)
    reporter.push()
    reporter.push()
    after = shown(connection)
    assert (after["mvs_training_images_total"], after["mvs_training_samples"]) == (8, 5)


def test_a_report_expires_and_names_do_not_pile_up(connection):
    for _ in range(3):
        Reporter(connection, "train", CollectorRegistry()).push()

    assert 0 < connection.ttl(redis_keys.ROLES) <= redis_keys.ROLES_TTL_S
    for name in connection.smembers(redis_keys.ROLES):
        assert 0 < connection.ttl(redis_keys.role(name.decode())) <= redis_keys.ROLE_TTL_S


@given(
    st.from_regex("[a-z_]{1,9}", fullmatch=True),
    st.dictionaries(st.from_regex("[a-z_]{1,9}", fullmatch=True), st.text(max_size=9), max_size=3),
)
def test_a_sample_is_read_as_it_was_written(name, labels):
    assert parsed(key(Sample(name, labels, 1.5)), 1.5)[:3] == (name, labels, 1.5)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text):
    sample = parsed(text, 1.0)
    assert sample is None or isinstance(sample.labels, dict)


def test_each_edge_worker_is_told_with_its_age_and_model(connection):
    told = WorkerMetrics()
    told.model.info({"version": "ab12"})
    Reporter(connection, "stylize", told.registry).push()
    Reporter(connection, "train", TrainerMetrics().registry).push()
    older = {'mvs_processes{"role": "stylize"}': 1, 'mvs_process_memory_bytes{"role": "stylize"}': 5e6}
    connection.set(redis_keys.role("older"), RoleReport("stylize", json.dumps(older).encode()).pack())
    connection.sadd(redis_keys.ROLES, "older")

    old, new = sorted(read(connection).workers, key=lambda worker: worker.model or "")

    assert old == WorkerReport(None, 5_000_000, None)
    assert new.model == "ab12" and 0 <= new.age_s < 60 and new.memory_bytes > 0
    assert len(together([read(connection), read(connection)]).workers) == 4
