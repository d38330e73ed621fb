"""A replica becomes the primary while clients are connected to the old one, which goes on as a read-only replica."""

from collections.abc import Iterator

import pytest
import redis

from pipeline.contract import redis_keys
from pipeline.contract.messages import StylizedFrame
from pipeline.queues.broker import connect
from pipeline.queues.edge_broker import EdgeBroker
from support.services.redis_pair import RedisPair
from support.webrtc.peers import Running, until

ANSWER = StylizedFrame("of nobody", 7, "style", "edge", "v", False, (), b"", 0.0, 0.0, error="none")


@pytest.fixture
def pair(tmp_path) -> Iterator[RedisPair]:
    pair = RedisPair(tmp_path)
    pair.start()
    yield pair
    pair.stop()


def test_after_one_error_commands_and_transactions_reach_the_new_primary(pair):
    with connect(pair.url) as client:
        client.ping()
        pair.fail_over()
        with pytest.raises(redis.ReadOnlyError):
            client.set("after", 1)
        assert client.set("after", 1)

        with client.pipeline() as transaction:
            transaction.set("in a transaction", 1)
            assert transaction.execute() == [True]
    with redis.Redis.from_url(pair.second.url) as second:
        assert second.exists("after", "in a transaction") == 2


@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_that_meets_the_old_primary_leaves_it_as_well(pair, transaction):
    with connect(pair.url) as client:
        client.ping()
        pair.fail_over()
        with client.pipeline(transaction) as pipe, pytest.raises(redis.ResponseError):
            pipe.set("after", 1)
            pipe.execute()

        assert client.set("after", 1)


async def test_a_gateway_is_ready_again_and_gets_answers(pair, web_root):
    async with Running(pair.url, web_root) as gateway:
        gateway_id = gateway.gateway._settings.gateway_id
        await until(lambda: gateway.count("mvs_redis_usable") == 1)

        pair.fail_over()

        with connect(pair.second.url) as second:
            second.delete(redis_keys.gateway(gateway_id))
            await until(lambda: second.exists(redis_keys.gateway(gateway_id)) == 1)
            second.set(redis_keys.worker_beacon("edge"), b"")
            await until(lambda: gateway.count("mvs_worker_ready") == 1)
            EdgeBroker(second).answer(gateway_id, ANSWER)
        await until(lambda: gateway.count("mvs_answers_dropped_total", reason="gone") == 1)
