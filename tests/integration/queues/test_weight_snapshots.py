"""A trainer that is killed while it publishes."""

import signal

from pipeline.queues.weight_snapshots import Snapshots
from support.system.forks import Forks

PROGRAM = """
import os
import redis
from pipeline.queues.broker import connect
from pipeline.contract.messages import WeightSnapshot
from pipeline.queues.weight_snapshots import Snapshots

def run(url, sends_left):
    class Dying(redis.Connection):
        def send_packed_command(self, command, check_health=True):
            nonlocal sends_left
            sends_left -= 1
            if sends_left < 0:
                os.kill(os.getpid(), 9)
            super().send_packed_command(command, check_health)
    weights = bytes(range(256)) * 10_000
    client = connect(url)
    client.connection_pool.connection_class = Dying
    snapshot = WeightSnapshot.of(weights, edge_id="edge", base_version=0, num_examples=1)
    Snapshots(client).publish_local(snapshot, weights)
"""


def test_a_trainer_killed_at_any_point_of_publishing_leaves_all_or_nothing(connection, redis_url):
    snapshots, ends = Snapshots(connection), []
    with Forks(PROGRAM) as forks:
        while 0 not in ends:
            connection.flushall()
            snapshots.take(again=False, block_ms=1)
            code, _ = forks.run(redis_url, len(ends))
            ends.append(code)
            found = [arrived for _, arrived in snapshots.take(again=False, block_ms=1)]
            assert (found == []) == (code == -signal.SIGKILL)
            assert all(snapshots.weights(one) == bytes(range(256)) * 10_000 for one in found)

    assert set(ends[:-1]) == {-signal.SIGKILL} and len(ends) >= 5
