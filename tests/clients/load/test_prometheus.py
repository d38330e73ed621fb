import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from clients.load.prometheus import Exposition


@pytest.fixture
def registry():
    return CollectorRegistry()


def read(registry) -> Exposition:
    return Exposition.parse(generate_latest(registry).decode())


def test_counters_are_summed_over_their_labels_and_counted_from_a_moment(registry):
    frames = Counter("mvs_frames_total", "", ["kind"], registry=registry)
    frames.labels("a").inc(3)
    before = read(registry)
    frames.labels("a").inc(4)
    frames.labels("b").inc(5)

    assert read(registry).since(before).total("mvs_frames_total") == 9
    assert math.isnan(before.total("mvs_nothing_total"))


def test_stages_have_means_and_percentiles_of_the_time_in_between(registry):
    seconds = Histogram("mvs_stage_seconds", "", ["stage"], buckets=(0.01, 0.02, 0.04), registry=registry)
    for _ in range(50):
        seconds.labels("decode").observe(9)
    before = read(registry)
    for value in [0.005] * 90 + [0.03] * 10:
        seconds.labels("decode").observe(value)

    [stage] = read(registry).since(before).stages()

    assert (stage.name, stage.count, stage.mean_ms) == ("stage decode", 100, 7.5)
    assert stage.p50_ms < 10 and 20 < stage.p95_ms < 40


def test_what_is_beyond_the_last_bound_counts_as_that(registry):
    Histogram("mvs_trip_seconds", "", buckets=(0.1,), registry=registry).observe(5)

    [stage] = read(registry).stages()

    assert stage.p99_ms == 100


def test_nothing_counted_is_no_stage(registry):
    Histogram("mvs_trip_seconds", "", registry=registry)

    assert list(read(registry).stages()) == []
