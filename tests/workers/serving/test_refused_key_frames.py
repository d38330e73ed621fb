"""A key frame that is too much for the accelerator, or cannot be read, costs itself alone."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
import torch

from pipeline.contract import redis_keys
from pipeline.contract.messages import KeyFrame
from pipeline.contract.settings import Settings
from pipeline.queues.broker import GatewayBroker, connect, stylize_queue
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from pipeline.styles.catalog import shipped
from support.models.counting_stylizer import PICTURE, Counter
from workers import stylize
from workers.stylize import Edge, EdgeWorker


class Hungry(Counter):
    """A stylizer for which every third key frame is too large for the accelerator's memory."""

    def settle(self, *arguments, **options):
        found = super().settle(*arguments, **options)
        if len(self.states) % 3 == 0:
            raise torch.OutOfMemoryError("no room for another 2.00 GiB")
        return found


@pytest.fixture
def edge_worker(redis_url, monkeypatch):
    """A worker that does all jobs in the queue, and then returns."""
    settings = replace(Settings(), redis_url=redis_url)
    served = Edge(settings, Hungry())
    monkeypatch.setattr(stylize, "EDGE", served)
    with connect(redis_url, timeout_s=10) as connection:
        worker = EdgeWorker(
            [stylize_queue(connection, "edge")],
            connection=connection,
            job_class=AllowListedJob,
            serializer=MsgpackSerializer,
        )
        worker.beacon, worker.model_version = redis_keys.worker_beacon("edge"), lambda: "hungry"
        yield lambda: worker.work(burst=True, logging_level="CRITICAL"), served


def submit(broker: GatewayBroker, *frame_ids: int) -> None:
    for frame_id in frame_ids:
        broker.submit(KeyFrame("gateway", "stream", frame_id, shipped()[0].id, False, PICTURE))


async def answered(broker: GatewayBroker, number: int) -> list[int]:
    """The ids of the first answers that have a grid."""
    found = []
    async with aclosing(broker.answers()) as answers:
        while len(found) < number:
            answer = await asyncio.wait_for(anext(answers), 10)
            found += [] if answer.error else [answer.frame_id]
    return found


async def test_a_key_frame_that_is_too_much_for_the_accelerator_costs_itself_alone(redis_url, edge_worker):
    """Promise 12: the worker goes on with the next one at once, and does not try the same again."""
    work, _ = edge_worker
    broker = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway")
    submit(broker, *range(7))

    work()

    assert await answered(broker, 5) == [0, 1, 3, 4, 6]
    assert broker.queue_depth() == 0 and broker.worker_ready()
    broker.close()


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"\x93\x04\xa8KeyFrame\x90", PICTURE])
async def test_a_key_frame_that_cannot_be_read_costs_itself_alone_and_is_taken_once(redis_url, edge_worker, garbage):
    """Promise 12: at most three tries of a poisoned message; here it is one."""
    work, served = edge_worker
    broker = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway")
    submit(broker, 0, 1)
    with connect(redis_url) as connection:
        connection.set(redis_keys.blob("stream", 0), garbage, px=redis_keys.KEY_FRAME_DEADLINE_MS)

    work()
    work()

    assert await answered(broker, 1) == [1]
    assert served.metrics.registry.get_sample_value("mvs_edge_key_frames_total", {"outcome": "refused"}) == 1
    assert broker.queue_depth() == 0
    broker.close()
