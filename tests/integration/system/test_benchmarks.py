"""The benchmarks of promises 11, 18 and 23 to 26, run for seconds: they work, and come near to the promises.

Figures are measured by hand, on a machine that does nothing else.
"""

import asyncio
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import capacity
import churn
import flood
import redis_frames
import scale
import soak

from clients.load.cli import measure
from clients.load.recording import record
from clients.load.virtual_clients import Plan
from pipeline.styles.catalog import shipped
from support.system.crew import Crew

SMALL = (128, 72)


@pytest.fixture(scope="module")
def small():
    return record(None, SMALL, fps=10)


@pytest.fixture(scope="module")
def crew(tmp_path_factory):
    with Crew(tmp_path_factory.mktemp("crew"), stub_ms=30) as crew:
        yield crew


def test_capacity_is_measured_from_due_time_with_what_was_lost(crew, small):
    """Promises 23 and 24."""
    plan = Plan(crew.url, shipped()[0].id, (small,), 2, 2, 0.5, 3)
    together, _ = measure(plan, 1)

    figures = capacity.figures(together, together)

    assert figures["streams"] == 2 and figures["lost"] == 0
    assert figures["round_trip_p50_ms"] >= 30  # the stub's own time
    assert figures["loop_lag_p99_ms"] > 0


def test_at_half_as_much_again_as_a_worker_can_do_goodput_stays(crew, small):
    """Promise 11: the excess is dropped, and the rest is answered as before."""
    rows = {}
    for share in (1.0, 1.5):
        clients = round(share * 1000 / 30 / scale.RATE)
        rows[share] = scale.overloaded(crew, Plan(crew.url, shipped()[0].id, (small,), scale.RATE, clients, 1, 4))

    assert rows[1.5]["answers_per_s"] >= 0.8 * rows[1.0]["answers_per_s"]
    assert rows[1.5]["longest_queue"] <= 2 * rows[1.5]["clients"]


def test_whoever_streams_goes_on_amid_a_flood_of_offers(tmp_path, small):
    """Promise 18."""
    with Crew(tmp_path, workers=1, **flood.PER_ADDRESS) as attacked:
        found = flood.measured(attacked, Plan(attacked.url, shipped()[0].id, (small,), 2, 1, 0, 1), 200, settle_s=0)

    assert found["statuses"][429] > 150 and found["statuses"].get(200, 0) < 60
    assert found["looks_lost"] == 0


def test_those_who_want_the_same_get_the_same():
    assert scale.jain([5, 5, 5]) == 1.0
    assert scale.jain([9, 0, 0]) == pytest.approx(0.333, abs=0.001)


def test_redis_carries_frames_of_300_kb(crew):
    """Promise 25."""
    found = redis_frames.measure(crew.redis_url, 300_000, 100, 1.0)

    assert found["operations_per_s"] > 90
    assert found["p50_ms"] < 20


def test_sessions_that_come_and_go_leave_nothing(crew, small):
    """Promise 26."""
    asyncio.run(churn.churn(crew.url, small, 8, 4))
    before = churn.held(crew)

    looks = asyncio.run(churn.churn(crew.url, small, 12, 4))

    assert looks >= 10
    # Eight sessions need not have filled every pool of threads and connections; one left by each would be twelve.
    deadline_s = time.monotonic() + 15  # a session's sockets are back within ten seconds
    while (after := churn.held(crew))["fds"] - before["fds"] >= 6 and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert after["fds"] - before["fds"] < 6 and after["threads"] - before["threads"] < 6


def test_a_soak_fits_a_line_through_what_it_measured(crew):
    """Promise 26."""
    found = asyncio.run(soak.soak(crew, 6.0, 2, every_s=0.5))

    assert found["visits"] > 0
    assert max(found["fds_delta"], found["threads_delta"]) < found["visits"] / 2
    assert soak.slopes([(float(s), 100 + s / 3600) for s in range(100)]) == [1.0]
