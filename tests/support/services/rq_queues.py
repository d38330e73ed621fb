"""RQ's queues with something in them, for tests of what shows them."""

import pytest
from rq.job import Job

from pipeline.contract.messages import KeyFrame
from pipeline.queues.broker import GatewayBroker, stylize_queue
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from workers import stylize
from workers.stylize import EdgeWorker


class Fails:
    """An edge that answers the first key frame and fails at the second."""

    def stylize(self, stream_id: str, frame_id: int) -> None:
        if frame_id == 1:
            raise RuntimeError("no memory")


@pytest.fixture
def queues(redis_url, connection, monkeypatch) -> str:
    """Queues with one finished job, one failed job, and one that a worker claims to work on."""
    monkeypatch.setattr(stylize, "EDGE", Fails())
    broker, queue = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway"), stylize_queue(connection, "edge")
    worker = EdgeWorker([queue], connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)
    worker.beacon, worker.model_version = "beacon", lambda: "version"
    for frame_id in range(2):
        broker.submit(KeyFrame("gateway", "waiting", frame_id, "style", False, b"jpeg"))
    worker.work(burst=True, logging_level="CRITICAL")
    broker.submit(KeyFrame("gateway", "waiting", 2, "style", False, b"jpeg"))
    worker.register_birth()
    worker.prepare_execution(queue.fetch_job("waiting-2"))
    for frame_id in range(3):
        connection.persist(Job.key_for(f"waiting-{frame_id}"))  # a busy machine's tests take longer than its life
    broker.close()
    return redis_url
