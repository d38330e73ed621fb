"""Sentinels lead to the present primary, over the synchronous client and over the asyncio client."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import pytest
import redis

from pipeline.contract.messages import KeyFrame, StylizedFrame
from pipeline.queues.broker import GatewayBroker, connect
from pipeline.queues.edge_broker import EdgeBroker
from pipeline.queues.redis_clients import async_client
from pipeline.queues.redis_errors import kind
from support.services.redis_sentinels import RedisSentinels

#: Sentinels notice within a second, and elect a new primary within three more. The machine may be busy.
FAILOVER_S = 30


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def sentinels(tmp_path, request) -> Iterator[RedisSentinels]:
    sentinels = RedisSentinels(tmp_path, tls=request.param)
    sentinels.start()
    yield sentinels
    sentinels.stop()


def answer(frame_id: int) -> StylizedFrame:
    return StylizedFrame("stream", frame_id, "style", "edge", "v", False, (), b"", 0.0, 0.0, error="none")


async def test_sentinels_whose_certificate_is_not_trusted_are_named(tmp_path):
    sentinels = RedisSentinels(tmp_path, tls=True)
    sentinels.start()
    url = sentinels.url.partition("?")[0]
    try:
        with connect(url) as client, pytest.raises(redis.RedisError) as caught:
            client.ping()
        async with async_client(url) as client:
            with pytest.raises(redis.RedisError) as caught_in_asyncio:
                await client.ping()
    finally:
        sentinels.stop()

    assert kind(caught.value) == kind(caught_in_asyncio.value) == "certificate"


async def test_answers_go_on_after_the_primary_died(sentinels):
    """Each answer that the edge could write after the failover arrives, in order, over the gateway's asyncio client."""
    gateway = GatewayBroker(sentinels.url, edge_id="edge", gateway_id="gateway")
    connection = connect(sentinels.url)
    edge = EdgeBroker(connection)

    def send(frame_id: int) -> bool:
        try:
            gateway.submit(KeyFrame("gateway", "stream", frame_id, "style", False, b"jpeg"))
            edge.answer("gateway", answer(frame_id))
        except redis.RedisError:
            return False
        return True

    async with aclosing(gateway.answers()) as answers, asyncio.timeout(FAILOVER_S):
        assert send(0) and (await anext(answers)).frame_id == 0
        reading = asyncio.ensure_future(anext(answers))
        sentinels.kill_sentinel()
        sentinels.first.kill()
        missed = 0
        while not await asyncio.to_thread(send, missed + 1):
            missed += 1
            await asyncio.sleep(0.1)
        assert missed > 0
        assert (await reading).frame_id == missed + 1
        for frame_id in range(missed + 2, missed + 20):
            assert send(frame_id) and (await anext(answers)).frame_id == frame_id
    gateway.close()
    connection.close()
