"""The RQ worker of an edge: takes a few jobs, runs them one by one, and goes on whatever Redis contains or answers."""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import redis
from redis.client import Pipeline
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.worker import WorkerStatus

from pipeline.contract import redis_keys
from pipeline.queues.redis_errors import Outage, kind, place
from pipeline.queues.rq_job import AllowListedJob, BadJob

logger = logging.getLogger(__name__)

#: The worker waits for a job no longer than this. In between it renews its beacon, gives a sign of life, and notices
#: requests to stop.
BLOCK_S = 2
#: This is longer than the worker waits, but short enough to notice a hanging Redis while the worker counts as alive.
SOCKET_TIMEOUT_S = 4
#: A worker in burst mode ends when no job has come for this long.
BURST_S = 0.01
#: RQ keeps a worker's name this long after its last heartbeat.
WORKER_TTL_S = 17
#: Heartbeats are sent no more often. RQ asks for five with each job, which would cost 3 ms, and the keys that they
#: renew live far longer.
HEARTBEAT_S = 1.0
#: How often the names of jobs and workers that are gone are removed.
CARE_S = 60.0
#: How many names of workers are checked at a time, at random. There are more only if somebody wrote them to do harm.
NAMES_A_TIME = 200
#: The pause after an unexpected error, which might otherwise become a busy loop.
SURPRISE_PAUSE_S = 0.2


class EdgeWorker(SimpleWorker):
    """Runs the jobs of its queues, one at a time, in its own process. Jobs that wait are taken a few at once.

    Only those of the first queue are. A job of another queue is taken when no job waits in the queues before it.

    Each heartbeat renews the beacon, by which gateways know that this edge has a worker with a loaded model.
    """

    beacon = ""
    model_version: Callable[[], str]
    #: This is called at least every SOCKET_TIMEOUT_S, and before and after each job.
    alive: Callable[[], None] = staticmethod(lambda: None)
    #: How many waiting jobs are taken out of the queue at once.
    batch_size = 1
    #: This is called with the arguments of the jobs that were taken at once, before the first of them is run.
    on_taken: Callable[[list[tuple]], None] = staticmethod(lambda arguments: None)
    #: This is called for each invalid job, which is dropped.
    on_bad_job: Callable[[], None] = staticmethod(lambda: None)
    on_failed_job: Callable[[], None] = staticmethod(lambda: None)
    #: This is called with the kind of each error of Redis (see redis_errors.REASONS).
    on_trouble: Callable[[str], None] = staticmethod(lambda kind: None)
    #: This is called once, when the worker has been registered in Redis.
    on_ready: Callable[[], None] = staticmethod(lambda: None)
    #: Whether the worker ends after its job.
    is_stopping = False
    _beat_s = _cared_s = float("-inf")
    _registered = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"prepare_for_work": False})  # which would ask Redis, now
        self.hostname, self.pid = socket.gethostname(), os.getpid()
        self._taken: deque[tuple[Job, Queue]] = deque()  # taken out of the queue, and not run yet

    @property
    def connection_timeout(self) -> int:
        return SOCKET_TIMEOUT_S

    def work(self, burst: bool = False, logging_level: str | None = None, *_: Any, **__: Any) -> bool:
        """Work until asked to stop, or with `burst` until the queue is empty. Returns whether there was a job."""
        if logging_level:
            self.log.setLevel(logging_level)
        outage, worked = Outage("the edge worker", place(self.connection), self.on_trouble), False
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self.request_stop)
        with contextlib.suppress(StopRequested):
            while not self.is_stopping or self._taken:
                self.alive()
                try:
                    found = self._turn(burst)
                    outage.ended()
                except redis.RedisError as error:
                    self._mend(error)
                    found = None
                    time.sleep(outage.failed(error))
                except StopRequested:
                    break
                except Exception:
                    logger.exception("a job's surprise; the worker goes on")
                    found = None
                    time.sleep(SURPRISE_PAUSE_S)
                worked |= bool(found)
                if burst and found is False:
                    break
        with contextlib.suppress(redis.RedisError, StopRequested):
            self.register_death()
        return worked

    def _turn(self, burst: bool) -> bool:
        """Wait for a job for at most BLOCK_S and do it; return whether there was one."""
        self._register()
        self._care(time.monotonic())
        self.heartbeat()
        if not self._taken and not self._take(burst):
            return False
        if self._taken:
            self.alive()
            self.execute_job(*self._taken.popleft())
            self.alive()
            self.heartbeat()
        return True

    def _take(self, burst: bool) -> bool:
        """Take jobs out of a queue, and return whether there was an entry, be it a valid job or not."""
        queue = self.queues[0]
        # RQ's intermediate list is not used: a key frame whose worker died is too old before RQ would find it there,
        # and a job that kills workers would come back.
        found: Any = self.connection.lpop(queue.key, self.batch_size)
        if not found:
            queue, found = self._wait(BURST_S if burst else BLOCK_S)
        self._taken.extend((job, queue) for job_id in found or () if (job := self._read(job_id, queue)))
        if queue is self.queues[0]:
            self.on_taken([tuple(job.args) for job, _ in self._taken])
        return bool(found)

    def _wait(self, seconds: float) -> tuple[Queue, list[bytes]]:
        """Wait for an entry of any queue; return it with its queue. If several have one, the first queue's is taken."""
        found: Any = self.connection.blpop([queue.key for queue in self.queues], seconds)
        key, *entries = found or (self.queues[0].key.encode(),)
        return next(queue for queue in self.queues if queue.key.encode() == key), entries

    def _read(self, job_id: bytes, queue: Queue) -> Job | None:
        try:
            return AllowListedJob.taken(job_id, queue)
        except BadJob as error:
            logger.info("job %.80r dropped: %s", job_id, error)
            self.on_bad_job()
            self.connection.unlink(Job.redis_job_namespace_prefix.encode() + job_id)
            return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job, and leave nothing of it in this process even if RQ fails half-way."""
        try:
            super().execute_job(job, queue)
        finally:
            self.executions.clear()
            self._rest()

    def _rest(self) -> None:
        """Set this worker's own state to idle. Redis may be away, so the pipeline is not sent."""
        self.set_state(WorkerStatus.IDLE, self.connection.pipeline())

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Set the state; between jobs that were taken at once it stays busy, since an idle worker stops immediately."""
        if state != WorkerStatus.IDLE or not self._taken:
            super().set_state(state, pipeline)

    def handle_exception(self, job: Job, *exc_info) -> None:
        """Handle a job's error. Errors of Redis are left to the main loop, which logs an outage only once."""
        self.on_failed_job()
        if isinstance(exc_info[1], redis.RedisError):
            logger.info("job %s was lost to Redis (%s)", job.id, kind(exc_info[1]))
        else:
            super().handle_exception(job, *exc_info)

    def heartbeat(self, timeout: int | None = None, pipeline=None) -> None:
        now_s = time.monotonic()
        if now_s - self._beat_s < HEARTBEAT_S:
            return
        self._beat_s = now_s
        super().heartbeat(timeout, pipeline)
        connection = self.connection if pipeline is None else pipeline
        connection.set(self.beacon, self.model_version(), ex=redis_keys.WORKER_BEACON_S)

    def handle_warm_shutdown_request(self) -> None:
        """After the jobs that are taken, if there are any; RQ raises StopRequested where there is none."""
        self.is_stopping = True
        super().handle_warm_shutdown_request()

    def set_shutdown_requested_date(self) -> None:
        """Redis is told nothing of a stop: it may be away."""

    def _register(self) -> None:
        """Register the worker at the start, and again after an error, since Redis may have been emptied."""
        if not self._registered:
            self.connection.delete(self.key)
            self.register_birth()
            self.set_state(WorkerStatus.IDLE)
            self._registered, self._beat_s = True, float("-inf")
            on_ready, self.on_ready = self.on_ready, lambda: None
            on_ready()

    def _care(self, now_s: float) -> None:
        """Remove expired entries from RQ's registries by their times alone, without reading them, and dead workers."""
        if now_s < self._cared_s + CARE_S:
            return
        self._cared_s = now_s
        with self.connection.pipeline(transaction=False) as pipe:
            for queue in self.queues:
                for key in registries(queue):
                    pipe.zremrangebyscore(key, "-inf", time.time())
                pipe.delete(queue.intermediate_queue_key)
            pipe.execute()
        for key in {key for queue in self.queues for key in worker_sets(queue)}:
            self._forget_workers(key)

    def _forget_workers(self, key: str) -> None:
        names = cast(list[bytes], self.connection.srandmember(key, NAMES_A_TIME))
        with self.connection.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.exists(name)
            gone = [name for name, there in zip(names, pipe.execute(), strict=True) if not there]
        if gone:
            self.connection.srem(key, *gone)

    def _mend(self, error: redis.RedisError) -> None:
        """Prepare for a new start after an error of Redis, and delete keys of RQ that hold a wrong type.

        The jobs that were taken are dropped: they are probably too old before Redis works again, and a worker that is
        asked to stop must not wait for that.
        """
        self._taken.clear()
        self._rest()
        self._registered, self._cared_s = False, float("-inf")
        if kind(error) != "type":
            return
        wanted = {key: kind for queue in self.queues for key, kind in types(queue).items()}
        with contextlib.suppress(redis.RedisError), self.connection.pipeline(transaction=False) as pipe:
            for key in wanted:
                pipe.type(key)
            wrong = [
                key for key, found in zip(wanted, pipe.execute(), strict=True) if found not in (b"none", wanted[key])
            ]
            if wrong:
                logger.warning("these keys held something else and are dropped: %s", ", ".join(wrong))
                self.connection.unlink(*wrong)


def registries(queue: Queue) -> list[str]:
    """Return the keys of sorted sets whose members expire at their scores, in seconds since 1970."""
    found = (queue.started_job_registry, queue.finished_job_registry, queue.failed_job_registry)
    return [registry.key for registry in found]


def worker_sets(queue: Queue) -> tuple[str, str]:
    return "rq:workers", f"rq:workers:{queue.name}"


def types(queue: Queue) -> dict[str, bytes]:
    """Return which type each key must have that workers share and write to, if it exists."""
    return {
        queue.key: b"list",
        Queue.redis_queues_keys: b"set",
        queue.intermediate_queue_key: b"list",
        **dict.fromkeys(registries(queue), b"zset"),
        **dict.fromkeys(worker_sets(queue), b"set"),
    }
