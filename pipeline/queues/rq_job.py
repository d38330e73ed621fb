"""What may run through the queue: msgpack arguments and one allow-listed function.

A serializer alone does not make RQ safe: a job names its function by dotted path, and any importable one would run.
Nor is a job's record to be trusted: whoever reaches Redis may have written it, or half of it.
"""

import re
import zlib
from collections.abc import Callable
from typing import Any, Self

import msgpack
from redis.exceptions import ResponseError
from rq import Queue
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job
from rq.utils import as_text

from pipeline.contract import redis_keys

STYLIZE = "workers.stylize.stylize_key_frame"
ALLOWED = frozenset({STYLIZE})

#: Ours are 20 to 40 characters; RQ's own are UUIDs.
JOB_ID = re.compile(rb"[A-Za-z0-9_-]{1,128}")
#: Words in the names of fields that name further functions, addresses or jobs, or hold the trace that older RQs wrote.
UNREAD = frozenset({"callback", "webhooks", "dependency", "exc"})
#: Ours have 90 bytes, deflated or not.
MAX_DATA_BYTES, MAX_INFLATED_BYTES = 4 * 1024, 64 * 1024


class BadJob(NoSuchJobError):
    """A record that is no job of ours. To RQ's own code it is one that does not exist (any more)."""


class MsgpackSerializer:
    @staticmethod
    def dumps(value: Any) -> bytes:
        return msgpack.packb(value)

    @staticmethod
    def loads(data: bytes) -> Any:
        return msgpack.unpackb(data, use_list=False, strict_map_key=False)


class AllowListedJob(Job):
    """A job that runs one of ALLOWED and nothing else: no instances, no callbacks, no webhooks."""

    @classmethod
    def taken(cls, job_id: bytes, queue: Queue) -> Self | None:
        """The job of an id that came out of a queue; None where its time has passed.

        Nothing of its record is read but the function and its arguments, and of those no more than MAX_DATA_BYTES: how
        long it may take and how long it is kept is ours to say. Raises BadJob, and redis.RedisError.
        """
        if not JOB_ID.fullmatch(job_id):
            raise BadJob("This is no job's id.")
        job = cls(job_id.decode(), connection=queue.connection, serializer=MsgpackSerializer)
        length = fetched(lambda: queue.connection.hstrlen(job.key, "data"))
        if length > MAX_DATA_BYTES:
            raise BadJob(f"Its data has {length} bytes.")
        if not length or not (data := fetched(lambda: queue.connection.hget(job.key, "data"))):
            return None
        job.data = inflated(data)
        job.check()
        job.origin, job.timeout = queue.name, redis_keys.JOB_TIMEOUT_S
        job.result_ttl = job.failure_ttl = redis_keys.JOB_TTL_S
        return job

    @property
    def func(self) -> Callable[..., Any]:
        if self.func_name not in ALLOWED or self.instance is not None:
            raise PermissionError(f"Job {self.id} names {self.func_name!r:.80}, which is not on the allow list.")
        return super().func

    def check(self) -> None:
        """Raise BadJob for everything but an allowed function and its plain arguments."""
        try:
            name, instance, args, kwargs = self.func_name, self.instance, self.args, self.kwargs
        except DeserializationError:
            raise BadJob("Its data cannot be read.") from None
        if not isinstance(name, str) or name not in ALLOWED or instance is not None:
            raise BadJob(f"It names {name!r:.80}, which is not on the allow list.")
        if not isinstance(args, tuple) or not isinstance(kwargs, dict) or not all(isinstance(k, str) for k in kwargs):
            raise BadJob("Its arguments are none.")

    def refresh(self) -> None:
        """Used by those who only read: dashboards, and RQ's own care of its registries. Raises BadJob."""
        fetched(super().refresh)

    def restore(self, raw_data: dict) -> None:
        """Raises BadJob for a record that RQ cannot read."""
        try:
            known = {as_text(k): v for k, v in raw_data.items() if not UNREAD & set(_words(k))}
            data = known.pop("data", None)
            super().restore(known if data is None else known | {"data": b""})
            if data is not None:  # RQ would inflate a bomb as far as memory goes
                self.data = inflated(data)
        except NoSuchJobError:
            raise
        except Exception as error:  # dates, numbers, text: whatever was found there
            raise BadJob(f"Its record cannot be read ({type(error).__name__}).") from None


def fetched(read: Callable[[], Any]) -> Any:
    """What Redis holds. Raises BadJob if it has another type than a job's record."""
    try:
        return read()
    except ResponseError as error:
        if "WRONGTYPE" in str(error):
            raise BadJob("Its record is none.") from None
        raise


def inflated(data: bytes) -> bytes:
    """RQ deflates arguments, or not. Raises BadJob for more than a job of ours could have."""
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(data, MAX_INFLATED_BYTES)
    except zlib.error:  # not deflated; what is left of the attempt says nothing
        inflater, found = zlib.decompressobj(), data
    if inflater.unconsumed_tail or len(found) > MAX_INFLATED_BYTES:
        raise BadJob(f"Its data has more than {MAX_INFLATED_BYTES} bytes.")
    return found


def _words(field: bytes | str) -> list[str]:
    return (field.decode(errors="replace") if isinstance(field, bytes) else field).split("_")
