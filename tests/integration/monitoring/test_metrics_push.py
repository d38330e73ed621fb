"""Metrics of a role whose Redis goes away."""

import pytest

from pipeline.monitoring.metrics import TrainerMetrics
from pipeline.monitoring.metrics_push import (
    Reporter,
)
from pipeline.queues.broker import connect
from pipeline.queues.counters import counts
from support.services.redis_process import RedisServer


def test_what_was_counted_while_redis_was_away_is_told_afterwards(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    with connect(server.url) as connection:
        trainer = TrainerMetrics()
        reporter = Reporter(connection, "train", trainer.registry)
        trainer.images.inc(8)
        server.stop()
        with pytest.raises(Exception, match="onnect"):
            reporter.push()
        trainer.images.inc(8)
        server.start()
        reporter.push()

        assert counts(connection, ["mvs_training_images_total"]) == {"mvs_training_images_total": 16}
    server.stop()
