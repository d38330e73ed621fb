"""Samples in a Redis that is killed."""

import pytest

from pipeline.contract import redis_keys
from pipeline.contract.messages import TrainingSample
from pipeline.queues.broker import connect
from pipeline.queues.counters import counts
from pipeline.queues.training_samples import Sharing
from support.services.redis_process import RedisServer

REFUSED = "mvs_samples_without_consent_total"


@pytest.mark.parametrize("memory", ["lost", "of before the withdrawal"])
def test_a_redis_that_is_killed_after_a_withdrawal_brings_nothing_back(tmp_path, memory):
    """It brings back neither what it lost nor what it kept from the time before."""
    server = RedisServer(tmp_path, dir=str(tmp_path))
    server.start()
    with connect(server.url) as connection:
        sharing = Sharing(connection, "edge")
        held = TrainingSample("a", "style", b"jpeg", sharing.allow("a"))
        sharing.append(held)
        if memory != "lost":
            connection.save()
        sharing.withdraw("a")
        server.kill()
        server.start()

        sharing.append(held)  # a worker had it in its memory

        assert connection.exists(redis_keys.consent("edge", "a")) == (memory != "lost")
        assert sharing.standing([("a", held.consent)]) == set()
        assert counts(connection, [REFUSED]) == {REFUSED: 1}
        assert sharing.standing([("a", sharing.allow("a"))]) != set()
    server.stop()
