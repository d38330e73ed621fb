"""A real gateway tells operators the truth."""

import pytest

from pipeline.contract.messages import WeightSnapshot
from pipeline.monitoring import monitor
from pipeline.monitoring.metrics import AggregatorMetrics, WorkerMetrics
from pipeline.monitoring.metrics_push import Reporter
from pipeline.queues.broker import connect
from pipeline.queues.weight_snapshots import Snapshots
from support.system.operators import reached
from support.webrtc.peers import Running, until


@pytest.fixture(autouse=True)
def sampling_often(monkeypatch):
    monkeypatch.setattr(monitor, "SAMPLE_S", 0.2)


@pytest.fixture
async def running(redis_url, tmp_path):
    async with Running(redis_url, tmp_path) as gateway:
        yield gateway


async def test_queue_roles_and_rounds_come_from_redis(running, redis_url):
    with connect(redis_url) as connection:
        worker, aggregator = WorkerMetrics(), AggregatorMetrics()
        worker.model.info({"version": "abcdef"})
        aggregator.round.set(4)
        Reporter(connection, "stylize", worker.registry).push()
        Reporter(connection, "aggregate", aggregator.registry).push()
        for version in (0, 3, 4, 4):
            weights = b"%d" % version
            snapshot = WeightSnapshot.of(
                weights,
                edge_id="cloud",
                base_version=version,
                num_examples=80 * version,
                loss_before=0.5,
                loss_after=0.4,
            )
            Snapshots(connection).publish_global(snapshot, weights)

    found = await reached(running, lambda s: s["models"] and s["roles"][3]["processes"] and len(s["rounds"]) == 2)

    assert found["models"] == {"abcdef": 1}
    assert [r["version"] for r in found["rounds"]] == [3, 4] and found["rounds"][0]["images"] == 240
    assert {role["role"]: role["processes"] for role in found["roles"]} == {
        "gateway": 1,
        "stylize": 1,
        "train": 0,
        "aggregate": 1,
    }
    assert any(
        "No edge worker is warm" in alert for alert in found["alerts"]
    )  # pushed metrics do not mean that a worker is warm


async def test_the_loop_is_probed(running):
    await until(lambda: running.count("mvs_event_loop_lag_seconds_count") > 2)


@pytest.mark.parametrize(("interval_s", "old_s"), [(0.5, 2.5), (4.0, 6.0), (30.0, 32.0)])
async def test_how_old_a_look_may_be_follows_the_interval_of_key_frames(redis_url, tmp_path, interval_s, old_s):
    """Page, alerts and Grafana used 2.5 s, which is too old only if key frames come twice a second."""
    async with Running(redis_url, tmp_path, key_frame_interval_s=interval_s) as running:
        found = await reached(running, bool)

        assert found["old_look_s"] == running.count("mvs_old_look_seconds") == old_s


async def test_refused_offers_and_failed_key_frames_are_alerts(running, redis_url):
    with connect(redis_url) as connection:
        worker = WorkerMetrics()
        reporter = Reporter(connection, "stylize", worker.registry)
        reporter.push()
        await reached(running, lambda s: s["roles"][1]["processes"])

        async with running.http.post("/offer", json={"sdp": "rubbish", "type": "offer", "style": "none"}) as response:
            assert response.status == 400
        worker.handled["failed"].inc(3)
        reporter.push()

        found = await reached(running, lambda s: sum("last minute" in alert for alert in s["alerts"]) == 2)

    assert any(alert.startswith("Offers refused as they cannot be answered: 1 ") for alert in found["alerts"])
    assert any(alert.startswith("Key frames that a worker could not stylize: 3 ") for alert in found["alerts"])
