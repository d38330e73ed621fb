"""Nothing but the allow-listed function runs through the queue."""

import os
import pickle
import subprocess
from pathlib import Path

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.job import Callback

from pipeline.queues.rq_job import ALLOWED, PREVIEW, STYLIZE, AllowListedJob, BadJob, MsgpackSerializer

RAN: list[tuple] = []


def allowed(*args: object) -> None:
    RAN.append(args)


def forbidden(*args: object) -> None:
    RAN.append(("forbidden", *args))


@pytest.fixture
def connection(redis_url, monkeypatch):
    monkeypatch.setattr("pipeline.queues.rq_job.ALLOWED", frozenset({f"{__name__}.allowed"}))
    RAN.clear()
    with redis.Redis.from_url(redis_url) as client:
        yield client


class Unasked(SimpleWorker):
    """A worker that takes no commands, because RQ needs up to a second to stop listening for them."""

    def subscribe(self) -> None:
        """Subscribe to nothing."""

    def unsubscribe(self) -> None:
        """Unsubscribe from nothing."""


def work(connection: redis.Redis) -> None:
    worker = Unasked(["q"], connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)
    worker.work(burst=True, logging_level="CRITICAL")


def enqueue(connection: redis.Redis, function: str, *args: object, **options: object):
    queue = Queue("q", connection=connection, serializer=MsgpackSerializer)  # an attacker uses the plain job class
    return queue.enqueue(function, *args, **options)


def test_only_the_stylize_job_is_on_the_list():
    assert ALLOWED == {STYLIZE, PREVIEW}


def test_an_allowed_job_runs_with_its_arguments(connection):
    enqueue(connection, f"{__name__}.allowed", "stream", 7)

    work(connection)

    assert RAN == [("stream", 7)]


@pytest.mark.parametrize("function", [f"{__name__}.forbidden", "os.getcwd", "builtins.eval", "subprocess.check_output"])
def test_a_function_that_is_not_listed_does_not_run(connection, function):
    job = enqueue(connection, function, "1 + 1")

    work(connection)

    assert RAN == []
    assert job.get_status(refresh=True) == "failed"


@pytest.mark.parametrize("event", ["on_success", "on_failure", "on_stopped"])
def test_callbacks_do_not_run(connection, event):
    enqueue(connection, f"{__name__}.allowed", **{event: Callback(f"{__name__}.forbidden")})

    work(connection)

    assert RAN == [()]


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return subprocess.check_call, (["touch", os.fspath(self.path)],)


def test_a_pickled_job_is_never_unpickled(connection, tmp_path):
    job = enqueue(connection, f"{__name__}.allowed")
    connection.hset(job.key, "data", pickle.dumps(Bomb(tmp_path / "bomb")))

    work(connection)

    assert RAN == []
    assert not (tmp_path / "bomb").exists()


def test_a_record_with_a_field_that_is_no_text_is_no_job_of_ours(connection):
    job = AllowListedJob("a", connection=connection, serializer=MsgpackSerializer)

    with pytest.raises(BadJob):
        job.restore({b"created_at": b"2026-01-01T00:00:00.000000Z", b"repeats\xc1left": b"1"})
