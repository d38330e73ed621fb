"""A broker whose Redis goes away and comes back."""

import asyncio
from contextlib import aclosing

import pytest
import redis

from pipeline.contract.messages import KeyFrame, StylizedFrame
from pipeline.queues.broker import GatewayBroker, connect
from pipeline.queues.edge_broker import EdgeBroker
from support.services.redis_process import RedisServer

KEY_FRAME = KeyFrame("gateway", "stream", 7, "style", False, b"jpeg")


def answer(frame_id: int) -> StylizedFrame:
    return StylizedFrame("stream", frame_id, "style", "edge", "v", False, (), b"", 0.0, 0.0, error="none")


async def test_answers_go_on_after_redis_comes_back(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    gateway = GatewayBroker(server.url, edge_id="edge", gateway_id="gateway")
    async with aclosing(gateway.answers()) as answers:
        with connect(server.url) as client:
            EdgeBroker(client).answer("gateway", answer(1))
        first = await anext(answers)
        waiting = asyncio.create_task(anext(answers))
        server.stop()
        with pytest.raises(redis.RedisError):
            gateway.submit(KEY_FRAME)
        server.start()
        with connect(server.url) as client:
            EdgeBroker(client).answer("gateway", answer(2))

        assert (first.frame_id, (await waiting).frame_id) == (1, 2)
    gateway.close()
    server.stop()
