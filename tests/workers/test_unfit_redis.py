"""A Redis that answers with errors ends no role: one line says why, and work begins once Redis is well."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis

from cloud.federated.registry import Registry
from pipeline.contract import redis_keys
from pipeline.contract.settings import Settings
from pipeline.queues import redis_errors
from pipeline.queues.broker import connect, stylize_queue
from pipeline.queues.redis_errors import place
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from support.services.redis_pair import RedisPair
from support.services.redis_process import RedisServer
from workers.aggregate import Aggregator
from workers.serving import rq_worker
from workers.serving.rq_worker import EdgeWorker
from workers.train import Trainer

SECRET = "hunter22-hunter22"
TURNS = 5
#: Troubles of Redis: the commands that cause each, and those that end it.
AILMENTS: dict[str, tuple[list[tuple], list[tuple]]] = {
    "memory": (
        [("CONFIG", "SET", "maxmemory-policy", "noeviction"), ("CONFIG", "SET", "maxmemory", "1")],
        [("CONFIG", "SET", "maxmemory", "0")],
    ),
    "read_only": ([("REPLICAOF", "127.0.0.1", "1")], [("REPLICAOF", "NO", "ONE")]),
    "password": ([("CONFIG", "SET", "requirepass", SECRET)], [("AUTH", SECRET), ("CONFIG", "SET", "requirepass", "")]),
    "permission": (
        [("ACL", "SETUSER", "part", "on", "nopass", "~*", "+@read")],
        [("ACL", "SETUSER", "part", "+@all", "&*")],
    ),
    "cluster": ([], []),
}


class Enough(BaseException):
    """The test has seen what it wanted to see."""


def several() -> Callable[[], None]:
    """To be called by a main loop, which it ends after some turns."""
    left = itertools.repeat(None, TURNS)

    def alive() -> None:
        if next(left, Enough) is Enough:
            raise Enough

    return alive


def edge_worker(settings: Settings) -> Callable[[Callable[[], None]], None]:
    connection = connect(settings.redis_url)
    queue = stylize_queue(connection, "edge")
    worker = EdgeWorker([queue], connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)
    worker.beacon, worker.model_version = redis_keys.worker_beacon("edge"), lambda: "version"
    worker.on_ready = lambda: print("The edge worker is ready")

    def run(alive: Callable[[], None]) -> None:
        worker.alive = alive
        worker.work()

    return run


def aggregator(settings: Settings) -> Callable[[Callable[[], None]], None]:
    return Aggregator(settings, Registry(settings.models_dir), lambda file: 1.0).run


ROLES = {"edge worker": edge_worker, "trainer": lambda settings: Trainer(settings).run, "aggregator": aggregator}


@pytest.fixture
def server(tmp_path, request) -> Iterator[RedisServer]:
    is_cluster = request.getfixturevalue("ailment") == "cluster"
    servers = (RedisServer(tmp_path, **{"cluster-enabled": "yes"} if is_cluster else {}) for _ in itertools.count())
    server = next(server for server in servers if server.port < 55_000)  # a cluster listens 10,000 further up, too
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("ailment", AILMENTS)
@pytest.mark.parametrize("role", ROLES)
def test_no_role_ends_and_one_line_says_why(server, tmp_path, role, ailment, caplog, capsys, monkeypatch):
    monkeypatch.setattr(redis_errors, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(rq_worker, "BLOCK_S", 0.01)
    monkeypatch.setattr("workers.train.TICK_S", 0.01)
    monkeypatch.setattr("workers.aggregate.BLOCK_MS", 1)
    url = server.url.replace("//", "//part@") if ailment == "permission" else server.url
    settings = replace(Settings(), redis_url=url, models_dir=tmp_path / "models", snapshot_key="k" * 32)
    spoil, mend = AILMENTS[ailment]
    with redis.Redis.from_url(server.url) as connection:
        for command in spoil:
            connection.execute_command(*command)

        run = ROLES[role](settings)
        with pytest.raises(Enough):
            run(several())

        lines = [record.getMessage() for record in caplog.records if "waiting for Redis" in record.getMessage()]
        if (role, ailment) not in HARMLESS:
            (line,) = lines
            assert line.startswith(f"the {role} is waiting for Redis at {place(connection)}: ")
            assert "ready" not in capsys.readouterr().out
        assert SECRET not in caplog.text
        if ailment == "cluster":
            assert "not supported" in lines[0]
            return
        for command in mend:
            connection.execute_command(*command)
        with pytest.raises(Enough):
            run(several())

    assert f"The {role} is ready" in capsys.readouterr().out or (role, ailment) in HARMLESS


#: A trainer only reads while nobody shares.
HARMLESS = {("trainer", "memory"), ("trainer", "read_only"), ("trainer", "permission")}


@pytest.mark.parametrize("role", ["edge worker", "aggregator"])
def test_a_role_goes_on_with_the_replica_that_has_become_the_primary(tmp_path, role, caplog, monkeypatch):
    monkeypatch.setattr(redis_errors, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(rq_worker, "BLOCK_S", 0.01)
    monkeypatch.setattr("workers.aggregate.BLOCK_MS", 1)
    pair = RedisPair(tmp_path)
    pair.start()
    try:
        settings = replace(Settings(), redis_url=pair.url, models_dir=tmp_path / "models", snapshot_key="k" * 32)
        run = ROLES[role](settings)
        with pytest.raises(Enough):
            run(several())
        pair.fail_over()
        for _ in range(2):
            with pytest.raises(Enough):
                run(several())
    finally:
        pair.stop()

    said = [record.getMessage() for record in caplog.records if "Redis" in record.getMessage()]
    assert redis_errors.REASONS["read_only"] in said[0] and "again" in said[-1], said
