"""A worker goes on whatever Redis holds or answers: missing records, garbage, wrong types, no memory."""

import os
import signal
import threading
import time
import zlib
from contextlib import aclosing, contextmanager

import pytest
import redis
from rq.exceptions import NoSuchJobError, StopRequested
from rq.timeouts import TimerDeathPenalty

from pipeline.contract import redis_keys
from pipeline.contract.messages import KeyFrame, StylizedFrame
from pipeline.queues.broker import GatewayBroker, stylize_queue
from pipeline.queues.edge_broker import EdgeBroker
from pipeline.queues.redis_errors import Outage, kind, reason
from pipeline.queues.rq_job import STYLIZE, AllowListedJob, MsgpackSerializer
from support.webrtc.peers import until
from workers import stylize
from workers.serving import rq_worker
from workers.serving.rq_worker import EdgeWorker, registries, types, worker_sets

GOOD = MsgpackSerializer.dumps((STYLIZE, None, ("stream", 1), {}))


class Served:
    """An edge that remembers its requests."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def stylize(self, *named: object) -> None:
        self.asked.append(named)


@pytest.fixture
def served(monkeypatch) -> Served:
    served = Served()
    monkeypatch.setattr(stylize, "EDGE", served)
    return served


@pytest.fixture
def queue(connection):
    return stylize_queue(connection, "edge")


@pytest.fixture
def dropped() -> list[int]:
    return []


@pytest.fixture
def worker(connection, queue, dropped, served) -> EdgeWorker:
    worker = EdgeWorker([queue], connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)
    worker.beacon, worker.model_version = redis_keys.worker_beacon("edge"), lambda: "version"
    worker.on_bad_job = lambda: dropped.append(1)
    return worker


def submit(redis_url: str, frame_id: int = 7) -> None:
    broker = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway")
    broker.submit(KeyFrame("gateway", "stream", frame_id, "style", False, b"jpeg"))
    broker.close()


def put(connection: redis.Redis, queue, job_id: bytes, record: dict | bytes | None) -> None:
    key = b"rq:job:" + job_id
    if isinstance(record, dict):
        connection.hset(key, mapping=record)
    elif record is not None:
        connection.set(key, record)
    connection.rpush(queue.key, job_id)


RECORDS = {
    "no date": {"data": GOOD, "created_at": "never", "status": "x", "timeout": "long", "ttl": "y", "origin": b"\xff"},
    "no msgpack": {"data": b"\xc1\xff"},
    "no tuple": {"data": MsgpackSerializer.dumps(7)},
    "odd function": {"data": MsgpackSerializer.dumps(({"a": 1}, None, (), {}))},
    "odd arguments": {"data": MsgpackSerializer.dumps((STYLIZE, None, 7, 7))},
    "odd keywords": {"data": MsgpackSerializer.dumps((STYLIZE, None, (), {1: 2}))},
    "another function": {"data": MsgpackSerializer.dumps(("os.getcwd", None, (), {}))},
    "too many arguments": {"data": MsgpackSerializer.dumps((STYLIZE, None, (1, 2, 3), {}))},
    "giant": {"data": b"x" * 3_000_000},
    "bomb": {"data": zlib.compress(b"x" * 50_000_000)},
    "nested bomb": {"data": zlib.compress(zlib.compress(b"x" * 50_000_000))},
    "deep": {"data": b"\x91" * 4_000 + b"\xc0"},
    "other fields": {"data": GOOD, "dependency_ids": b"{", "retries_left": "z", "meta": b"\xc1", "exc_info": b"\xff"},
    "a string": b"text",
    "nothing": None,
}
IDS = [b"\xff\xfe", b"with space", b"x" * 5_000, b"a:b", b"", "idé".encode()]


def test_records_that_are_no_jobs_are_dropped_within_milliseconds_and_the_good_one_is_served(
    redis_url, connection, queue, worker, served, dropped
):
    for number, record in enumerate(RECORDS.values()):
        put(connection, queue, b"job-%d" % number, record)
    for job_id in IDS:
        put(connection, queue, job_id, {"data": GOOD})
    submit(redis_url)

    began_s = time.monotonic()
    worker.work(burst=True)

    assert served.asked[-1] == ("stream", 7)
    assert served.asked.count(("stream", 1)) == 2  # of "no date" and "other fields" nothing but the arguments is read
    assert len(dropped) >= 12 and queue.count == 0
    assert time.monotonic() - began_s < 5
    assert not any(connection.exists(b"rq:job:" + job_id) for job_id in IDS)


@pytest.mark.parametrize("name", RECORDS)
def test_who_only_looks_at_a_record_gets_a_job_or_hears_that_there_is_none(connection, queue, name):
    put(connection, queue, b"job", RECORDS[name])

    try:
        job = AllowListedJob.fetch("job", connection=connection, serializer=MsgpackSerializer)
    except NoSuchJobError:  # what RQ's own code takes for one that is gone
        return
    assert len(job.data) <= 64 * 1024


def test_registries_and_workers_of_rubbish_are_cared_for(redis_url, connection, queue, worker, served):
    for key in registries(queue):
        connection.zadd(key, {b"\xff\xfe": 1, b"a:b:c": 2, b"later": time.time() + 1000})
    for key in worker_sets(queue):
        connection.sadd(key, b"\xff\xfe", b"rq:worker:gone")
    connection.rpush(queue.intermediate_queue_key, b"\xff", b"gone")
    submit(redis_url)

    worker.work(burst=True)

    assert served.asked == [("stream", 7)]
    assert all(connection.zscore(key, b"\xff\xfe") is None for key in registries(queue))
    assert all(not connection.sismember(key, b"rq:worker:gone") for key in worker_sets(queue))
    assert not connection.exists(queue.intermediate_queue_key)


@contextmanager
def working(worker: EdgeWorker):
    """The worker in a thread, until the block ends."""
    thread = threading.Thread(target=worker.work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        worker.is_stopping = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def threaded(monkeypatch):
    monkeypatch.setattr(EdgeWorker, "death_penalty_class", TimerDeathPenalty)  # signals are the main thread's
    monkeypatch.setattr(rq_worker, "BLOCK_S", 0.1)
    monkeypatch.setattr(rq_worker, "HEARTBEAT_S", 0.1)


async def test_keys_of_the_wrong_type_are_dropped(threaded, redis_url, connection, queue, worker, served):
    for key in types(queue):
        connection.set(key, b"rubbish")

    with working(worker):
        await until(lambda: connection.type(queue.key) == b"none", timeout_s=20)
        submit(redis_url)
        await until(lambda: served.asked, timeout_s=20)


async def test_a_redis_without_memory_ends_no_worker(threaded, redis_url, connection, queue, worker, served):
    troubles: list[str] = []
    worker.on_trouble = troubles.append
    with working(worker):
        submit(redis_url, 1)
        await until(lambda: served.asked, timeout_s=20)
        connection.config_set("maxmemory", "1000")
        connection.config_set("maxmemory-policy", "noeviction")
        try:
            await until(lambda: "memory" in troubles, timeout_s=20)
        finally:
            connection.config_set("maxmemory", "256mb")
            connection.config_set("maxmemory-policy", "volatile-ttl")
        submit(redis_url, 2)

        await until(lambda: ("stream", 2) in served.asked, timeout_s=20)


async def test_a_replica_and_a_new_password_end_no_worker(threaded, redis_url, connection, worker, served):
    troubles: list[str] = []
    worker.on_trouble = troubles.append
    with working(worker):
        connection.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            await until(lambda: "read_only" in troubles, timeout_s=20)
        finally:
            connection.execute_command("REPLICAOF", "NO", "ONE")
        with redis.Redis.from_url(redis_url, single_connection_client=True) as admin:
            admin.config_set("requirepass", "hunter22")
            admin.client_kill_filter(_type="normal", skipme=True)
            try:
                await until(lambda: "password" in troubles, timeout_s=20)
            finally:
                admin.config_set("requirepass", "")
        submit(redis_url)

        await until(lambda: served.asked, timeout_s=20)


def answer(frame_id: int) -> StylizedFrame:
    return StylizedFrame("stream", frame_id, "style", "edge", "v", False, (), b"", 0.0, 0.0, error="none")


@pytest.mark.parametrize("entry_id", [f"{2**64 - 1}-{2**64 - 1}", f"{2**64 - 1}-0", "99999999999999-1"])
@pytest.mark.parametrize("deleted", [True, False])
async def test_an_answer_from_the_future_stops_looks_for_seconds_only(
    redis_url, connection, entry_id, deleted, monkeypatch
):
    monkeypatch.setattr("pipeline.queues.answers.READ_BLOCK_MS", 50)
    gateway, edge = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway"), EdgeBroker(connection)
    key = redis_keys.results("gateway")
    connection.xadd(key, {"frame": answer(1).pack()}, id=entry_id)

    async with aclosing(gateway.answers()) as answers:
        assert (await anext(answers)).frame_id == 1
        if deleted:
            connection.delete(key)
        edge.answer("gateway", answer(2))
        assert (await anext(answers)).frame_id == 2

    gateway.close()


async def test_answers_find_their_way_past_a_key_of_another_type(redis_url, connection):
    gateway, edge = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway"), EdgeBroker(connection)
    connection.set(redis_keys.results("gateway"), "rubbish")

    edge.answer("gateway", answer(1))
    async with aclosing(gateway.answers()) as answers:
        assert (await anext(answers)).frame_id == 1

    gateway.close()


@pytest.mark.parametrize("error", [RuntimeError("no room on the accelerator"), redis.ConnectionError("away")])
def test_a_job_that_ends_with_a_surprise_is_counted_as_failed(redis_url, worker, served, monkeypatch, error):
    """Before, operators saw none of these, since only key frames that were answered with an error were counted."""

    def fail(*named: object) -> None:
        raise error

    failed: list[int] = []
    monkeypatch.setattr(served, "stylize", fail)
    worker.on_failed_job = lambda: failed.append(1)
    submit(redis_url)

    worker.work(burst=True)

    assert failed == [1]


def test_a_worker_that_is_asked_to_stop_ends_after_its_job_and_tells_redis_nothing_of_it(
    redis_url, connection, worker, served, monkeypatch
):
    def stylize(*named: object) -> None:
        served.asked.append(named)
        signal.raise_signal(signal.SIGTERM)
        served.asked.append(connection.hget(worker.key, "shutdown_requested_date"))

    monkeypatch.setattr(served, "stylize", stylize)
    submit(redis_url, 1)
    submit(redis_url, 2)

    with signals_restored():
        worker.work()

    assert served.asked == [("stream", 1), None]


def test_a_worker_without_a_job_stops_at_once(worker):
    with signals_restored(), pytest.raises(StopRequested):
        worker.request_stop(signal.SIGTERM, None)


@contextmanager
def signals_restored():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (redis.AuthenticationError("invalid username-password pair"), "password"),
        (redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "memory"),
        (redis.ResponseError("Command # 1 (SET a) of pipeline caused error: OOM command not allowed"), "memory"),
        (redis.ConnectionError("Error 1. [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), "certificate"),
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "loading"),
        (redis.ReadOnlyError("You can't write against a read only replica."), "read_only"),
        (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "read_only"),
        (redis.exceptions.MovedError("1 127.0.0.1:7000"), "cluster"),
        (redis.exceptions.ClusterCrossSlotError("Keys in request don't hash to the same slot"), "cluster"),
        (redis.ResponseError("Command # 1 (SET a) of pipeline caused error: MOVED 1 127.0.0.1:1"), "cluster"),
        (redis.ResponseError("Command # 1 (SET a) of pipeline caused error: CROSSSLOT Keys in request"), "cluster"),
        (redis.ResponseError("WRONGTYPE Operation against a key"), "type"),
        (redis.ConnectionError("Error 111 connecting to 127.0.0.1:1."), "away"),
        (redis.TimeoutError("Timeout reading from socket"), "away"),
        (redis.ResponseError("ERR unknown"), "error"),
    ],
)
def test_errors_have_reasons(error, expected):
    assert kind(error) == expected and reason(error)


def test_an_outage_is_one_line_a_reason_and_its_pauses_grow(caplog):
    counted, now_s = [], [0.0]
    outage = Outage("the part", "here:6379", counted.append, clock=lambda: now_s[0])

    pauses = [outage.failed(redis.ConnectionError("secret")) for _ in range(20)]
    outage.failed(redis.ReadOnlyError("secret"))
    now_s[0] = 7.0
    outage.ended()
    outage.ended()

    assert counted == ["away"] * 20 + ["read_only"]
    assert 0 < pauses[0] <= 0.05 and 0.5 <= pauses[-1] <= 1.0
    assert len(caplog.messages) == 3 and "7.0 s" in caplog.messages[-1]
    assert caplog.messages[0].startswith("the part is waiting for Redis at here:6379: it does not answer.")
    assert "secret" not in caplog.text


def test_jobs_that_wait_are_taken_at_once_and_each_is_executed_and_recorded_by_itself(
    redis_url, connection, queue, worker, served
):
    for number in range(5):
        submit(redis_url, number)
    put(connection, queue, b"bad", RECORDS["another function"])
    taken: list[list[tuple]] = []
    worker.batch_size, worker.on_taken = 4, taken.append

    worker.work(burst=True)

    assert served.asked == [("stream", number) for number in range(5)]
    assert [len(arguments) for arguments in taken if arguments] == [4, 1] and taken[0] == served.asked[:4]
    assert queue.finished_job_registry.count == 5 and queue.started_job_registry.count == 0


def test_a_job_that_fails_takes_none_with_it_that_was_taken_with_it(redis_url, queue, worker, served, monkeypatch):
    for number in range(3):
        submit(redis_url, number)
    worker.batch_size = 3
    done: list[int] = []

    def fail_the_first(stream_id: str, frame_id: int) -> None:
        if frame_id == 0:
            raise RuntimeError("a surprise")
        done.append(frame_id)

    monkeypatch.setattr(served, "stylize", fail_the_first)

    worker.work(burst=True)

    assert done == [1, 2]
    assert queue.failed_job_registry.get_job_ids() == ["stream-0"] and queue.finished_job_registry.count == 2


def test_who_is_asked_to_stop_finishes_what_it_took_and_takes_no_more(redis_url, queue, worker, served, monkeypatch):
    for number in range(5):
        submit(redis_url, number)
    worker.batch_size = 3
    monkeypatch.setattr(worker, "execute_job", asking_to_stop(worker.execute_job))

    with signals_restored():
        worker.work()

    assert [frame_id for _, frame_id in served.asked] == [0, 1, 2] and queue.count == 2


def asking_to_stop(execute_job):
    """Somebody sends SIGTERM right after the first job; RQ does not hear a second one in the same second."""

    def execute(job, queue) -> None:
        execute_job(job, queue)
        os.kill(os.getpid(), signal.SIGTERM)

    return execute


def test_what_was_taken_is_let_go_where_redis_goes_away(redis_url, queue, worker, served, monkeypatch):
    """A worker that is asked to stop meanwhile would wait for its Redis."""
    for number in range(3):
        submit(redis_url, number)
    worker.batch_size, real = 2, worker.execute_job

    def lose_redis(job, queue) -> None:
        monkeypatch.setattr(worker, "execute_job", real)
        raise redis.ConnectionError("away")

    monkeypatch.setattr(worker, "execute_job", lose_redis)

    worker.work(burst=True)

    assert [frame_id for _, frame_id in served.asked] == [2]
