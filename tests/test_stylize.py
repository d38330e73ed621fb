from dataclasses import replace

import numpy as np
import pytest
import redis
from rq import SimpleWorker

from pipeline.broker import GatewayBroker
from pipeline.codec import encode_jpeg
from pipeline.jobs import AllowListedJob, MsgpackSerializer
from pipeline.messages import KeyFrame
from pipeline.settings import Settings
from pipeline.styles import shipped
from workers.stylize import Edge, EdgeWorker

PICTURE = encode_jpeg(np.zeros((32, 48, 3), np.uint8))


class Counter:
    """A stylizer whose state counts a stream's key frames."""

    model_version = "counter"

    def __init__(self) -> None:
        self.states: list[int] = []

    def style(self, image: np.ndarray) -> None:
        return None

    def follow(self, content: np.ndarray, style: None, state: int | None, *, elapsed_s: float):
        self.states.append((state or 0) + 1)
        return np.zeros((3, 1, 1, 1, 4), np.float16), self.states[-1]


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


def test_many_heartbeats_in_a_second_are_one(settings, monkeypatch):
    calls = []
    monkeypatch.setattr(SimpleWorker, "heartbeat", lambda *arguments: calls.append(arguments))
    with redis.Redis.from_url(settings.redis_url) as connection:
        worker = EdgeWorker(["q"], connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)
        worker.beacon = ("beacon", "version")

        for _ in range(5):
            worker.heartbeat()

        assert len(calls) == 1
        assert connection.get("beacon") == b"version"
