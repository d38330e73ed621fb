"""A real gateway tells operators the truth."""

import pytest

from pipeline.contract.messages import WeightSnapshot
from pipeline.monitoring import monitor
from pipeline.monitoring.metrics import AggregatorMetrics, WorkerMetrics
from pipeline.monitoring.metrics_push import Reporter
from pipeline.queues.broker import connect
from pipeline.queues.weight_snapshots import Snapshots
from support.operators import reached, state
from support.peers import Running, until
from support.redis_process import RedisServer


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


async def test_without_redis_the_page_goes_on_and_counters_do_not_fall(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    async with Running(server.url, tmp_path) as running:
        with connect(server.url) as connection:
            metrics = WorkerMetrics()
            metrics.busy_seconds.inc(5)
            Reporter(connection, "stylize", metrics.registry).push()
        await reached(running, lambda s: s["models"] == {} and s["roles"][1]["processes"])
        server.stop()

        found = await reached(running, lambda s: s["figures"]["queue"] is None)

        assert any("Redis does not answer: looks stay as they are." in alert for alert in found["alerts"])
        assert running.count("mvs_edge_busy_seconds_total") == 5


async def test_the_loop_is_probed(running):
    await until(lambda: running.count("mvs_event_loop_lag_seconds_count") > 2)


async def test_a_cloud_that_is_away_is_shown_as_it_was_last(redis_url, tmp_path):
    cloud = RedisServer(tmp_path)
    cloud.start()
    async with Running(redis_url, tmp_path, cloud_redis_url=cloud.url) as running:
        with connect(cloud.url) as connection:
            metrics = AggregatorMetrics()
            metrics.round.set(4)
            Reporter(connection, "aggregate", metrics.registry).push()
        before = await reached(running, lambda s: s["roles"][3]["processes"])
        cloud.stop()
        await running.gateway.watch.sample()
        after = await state(running)

    assert before["roles"][3]["details"]["round"] == after["roles"][3]["details"]["round"] == 4
    assert after["figures"]["queue"] == 0  # the edge's Redis is there


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


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"maxmemory": "1", "maxmemory-policy": "noeviction"}, "out of memory"),
        ({"replicaof": "127.0.0.1 1"}, "read-only replica"),
        ({"requirepass": "secret"}, "wrong password"),
    ],
)
async def test_what_ails_redis_is_told_by_readyz_and_status_and_log(tmp_path, settings, why, caplog):
    server = RedisServer(tmp_path)
    server.start()
    try:
        with connect(server.url) as connection:
            for name, value in settings.items():
                connection.config_set(name, value) if name != "replicaof" else connection.replicaof(*value.split())
        async with Running(server.url, tmp_path) as running:
            found = await reached(running, lambda s: any(why in alert for alert in s["alerts"]))
            async with running.http.get("/readyz") as response:
                assert response.status == 503 and why in (await response.json())["reason"]
    finally:
        server.stop()

    assert why in found["alerts"][0]
    assert any(why in record.getMessage() for record in caplog.records)
    assert "secret" not in str(found) + caplog.text
