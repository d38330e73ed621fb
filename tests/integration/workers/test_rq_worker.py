"""A worker that is killed amid its jobs."""

import signal
import subprocess
import sys

from pipeline.contract import redis_keys
from pipeline.contract.messages import KeyFrame
from pipeline.queues.broker import GatewayBroker, stylize_queue
from support.paths import ROOT


def test_a_worker_that_is_killed_loses_the_jobs_that_it_took_and_no_more(redis_url, connection, monkeypatch):
    monkeypatch.setattr(redis_keys, "KEY_FRAME_DEADLINE_MS", 60_000)  # a new process imports torch first
    broker = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway")
    for number in range(5):
        broker.submit(KeyFrame("gateway", "stream", number, "style", False, b"jpeg"))
    broker.close()

    killed = subprocess.run([sys.executable, "-c", KILLED, redis_url], cwd=ROOT, timeout=60, check=False)

    assert killed.returncode == -signal.SIGKILL
    assert stylize_queue(connection, "edge").get_job_ids() == [f"stream-{number}" for number in (2, 3, 4)]


#: A worker whose model kills it.
KILLED = """
import os
import signal
import sys
from pipeline.queues.broker import connect, stylize_queue
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from workers import stylize
from workers.serving.rq_worker import EdgeWorker

class Deadly:
    def stylize(self, *named):
        os.kill(os.getpid(), signal.SIGKILL)

stylize.EDGE, connection = Deadly(), connect(sys.argv[1])
worker = EdgeWorker([stylize_queue(connection, "edge")], connection=connection, job_class=AllowListedJob,
                    serializer=MsgpackSerializer)
worker.beacon, worker.model_version, worker.batch_size = "beacon", lambda: "version", 2
worker.work(burst=True)
"""
