"""What a gateway tells operators of a Redis that is away, or does not do what is needed."""

import pytest

from pipeline.monitoring import monitor
from pipeline.monitoring.metrics import AggregatorMetrics, WorkerMetrics
from pipeline.monitoring.metrics_push import Reporter
from pipeline.queues.broker import connect
from support.services.redis_process import RedisServer
from support.system.operators import reached, state
from support.webrtc.peers import Running


@pytest.fixture(autouse=True)
def sampling_often(monkeypatch):
    monkeypatch.setattr(monitor, "SAMPLE_S", 0.2)


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
