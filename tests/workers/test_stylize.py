import subprocess
import sys
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest
import redis
from rq import SimpleWorker

from pipeline.contract import redis_keys
from pipeline.contract.messages import KeyFrame, TrainingSample
from pipeline.contract.settings import Settings
from pipeline.queues.broker import GatewayBroker, connect
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from pipeline.queues.training_samples import Sharing, public_name
from pipeline.styles.catalog import shipped
from support.counting_stylizer import PICTURE, Counter
from support.crew import STUB
from support.peers import until
from support.redis_process import RedisServer
from workers.stylize import Edge, EdgeWorker


@pytest.fixture
def settings(redis_url) -> Settings:
    return replace(Settings(), redis_url=redis_url)


def test_each_stream_has_its_memory_until_a_cut(settings):
    broker, stylizer = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Counter()
    edge = Edge(settings, stylizer)

    for frame_id, (stream_id, cut) in enumerate([("a", False), ("a", False), ("b", False), ("a", False), ("a", True)]):
        broker.submit(KeyFrame("gateway", stream_id, frame_id, shipped()[0].id, cut, PICTURE))
        edge.stylize(stream_id, frame_id)

    broker.close()
    assert stylizer.states == [1, 2, 1, 3, 1]


async def test_a_new_model_answers_from_the_next_job_on_and_knows_the_styles_in_use(settings):
    broker, fresh = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Counter("fresh")
    edge = Edge(settings, Counter())

    def answer(frame_id: int) -> None:
        broker.submit(KeyFrame("gateway", "a", frame_id, shipped()[0].id, False, PICTURE))
        edge.stylize("a", frame_id)

    answer(0)
    edge.adopt(fresh)
    looked_at = fresh.styles
    answer(1)

    async with aclosing(broker.answers()) as answers:
        assert [(await anext(answers)).model_version for _ in range(2)] == ["counter", "fresh"]
    assert looked_at == fresh.styles == 1
    assert fresh.states == [2]  # the stream's memory goes on
    assert edge.model_version == "fresh"
    broker.close()


class Broken(Counter):
    """A stylizer whose grids are not finite."""

    def follow(self, *arguments, **options):
        grid, state = super().follow(*arguments, **options)
        return grid + np.float16(np.nan), state


async def test_a_grid_that_is_not_finite_is_an_error_and_not_remembered(settings):
    broker, stylizer = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Broken()
    edge = Edge(settings, stylizer)

    for frame_id in range(2):
        broker.submit(KeyFrame("gateway", "a", frame_id, shipped()[0].id, False, PICTURE))
        edge.stylize("a", frame_id)

    async with aclosing(broker.answers()) as answers:
        assert "not finite" in (await anext(answers)).error
    assert stylizer.states == [1, 1]
    broker.close()


class Swapping(Counter):
    """Another model is adopted while this one works."""

    edge: Edge

    def follow(self, *arguments, **options):
        self.edge.adopt(Counter("fresh"))
        return super().follow(*arguments, **options)


async def test_a_model_that_comes_in_the_middle_of_a_job_does_not_sign_it(settings):
    broker, stylizer = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Swapping("old")
    stylizer.edge = edge = Edge(settings, stylizer)

    broker.submit(KeyFrame("gateway", "a", 0, shipped()[0].id, False, PICTURE))
    edge.stylize("a", 0)

    async with aclosing(broker.answers()) as answers:
        assert (await anext(answers)).model_version == "old"
    assert edge.model_version == "fresh"
    broker.close()


def test_only_shared_key_frames_are_learned_from(settings):
    broker, edge = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Edge(settings, Counter())
    style_id = shipped()[0].id
    broker.share("me", True)
    for frame_id, shared in enumerate(["", "me", ""]):
        broker.submit(KeyFrame("gateway", f"{frame_id}", frame_id, style_id, False, PICTURE, shared))
        edge.stylize(f"{frame_id}", frame_id)

    with connect(settings.redis_url) as connection:
        (found,), _ = Sharing(connection, "edge").read("0")
    assert found.sample == TrainingSample(public_name("me"), style_id, PICTURE, found.sample.consent)
    broker.close()


def test_many_heartbeats_in_a_second_are_one(settings, monkeypatch):
    calls = []
    monkeypatch.setattr(SimpleWorker, "heartbeat", lambda *arguments: calls.append(arguments))
    with redis.Redis.from_url(settings.redis_url) as connection:
        worker = EdgeWorker(["q"], connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)
        worker.beacon, worker.model_version = "beacon", lambda: "version"

        for _ in range(5):
            worker.heartbeat()

        assert len(calls) == 1
        assert connection.get("beacon") == b"version"


def test_what_becomes_of_key_frames_is_counted(settings):
    broker, edge = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Edge(settings, Counter())
    broker.submit(KeyFrame("gateway", "a", 0, shipped()[0].id, False, PICTURE))
    broker.submit(KeyFrame("gateway", "a", 1, "no such style", False, PICTURE))

    for frame_id in range(3):  # the last one is not there
        edge.stylize("a", frame_id)
    edge.adopt(Counter("fresh"))

    def value(name: str, **labels: str) -> float:
        return edge.metrics.registry.get_sample_value(name, labels)

    handled = {o: value("mvs_edge_key_frames_total", outcome=o) for o in ("answered", "failed", "late", "refused")}
    assert handled == {"answered": 1, "failed": 1, "late": 1, "refused": 0}
    assert value("mvs_edge_busy_seconds_total") > 0 and value("mvs_edge_styles_cached") == 1
    assert value("mvs_model_info", version="fresh") == value("mvs_edge_models_adopted_total") == 1
    broker.close()


async def test_an_answer_says_how_long_its_key_frame_waited(settings):
    broker, edge = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Edge(settings, Counter())
    broker.submit(KeyFrame("gateway", "a", 0, shipped()[0].id, False, PICTURE))
    with connect(settings.redis_url) as connection:
        connection.pexpire(redis_keys.blob("a", 0), redis_keys.KEY_FRAME_DEADLINE_MS - 600)  # as if 600 ms were over

    edge.stylize("a", 0)

    async with aclosing(broker.answers()) as answers:
        assert 600 <= (await anext(answers)).queue_ms < redis_keys.KEY_FRAME_DEADLINE_MS
    broker.close()


async def test_a_worker_whose_redis_is_away_stops_when_it_is_asked_once(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    stub = str(STUB)
    worker = subprocess.Popen([sys.executable, stub, "--redis", server.url])
    try:
        with redis.Redis.from_url(server.url) as connection:
            await until(lambda: connection.scard("rq:workers"), timeout_s=60)
        server.kill()
        worker.terminate()

        worker.wait(20)
    finally:
        worker.kill()
        worker.wait()
