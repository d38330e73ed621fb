"""Jobs that are safe to run: their arguments are msgpack, and their function is on an allow list.

A serializer alone does not make RQ safe: a job names its function by a dotted path, and RQ would run any importable
one. The rest of a job's record cannot be trusted either, since anybody who reaches Redis may have written it.
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
PREVIEW = "workers.stylize.preview_styles"
ALLOWED = frozenset({STYLIZE, PREVIEW})

#: Our ids have 20 to 40 characters; RQ's own are UUIDs.
JOB_ID = re.compile(rb"[A-Za-z0-9_-]{1,128}")
#: Fields with one of these words in their names are not read: they name further functions, addresses or jobs, or hold
#: the stack trace that older versions of RQ wrote.
UNREAD = frozenset({"callback", "webhooks", "dependency", "exc"})
#: Our arguments have 90 bytes, compressed or not.
MAX_DATA_BYTES, MAX_INFLATED_BYTES = 4 * 1024, 64 * 1024


class BadJob(NoSuchJobError):
    """A record is not a job of ours. RQ's own code treats it like a job that does not exist any more."""


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
        """Return the job with an id that came out of a queue, or None if the job has expired.

        Only its function and arguments are read from its record, and at most MAX_DATA_BYTES of them. Its time-outs are
        set here. Raises BadJob and redis.RedisError.
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
        """Raise BadJob unless the job consists of an allowed function and plain arguments."""
        try:
            name, instance, args, kwargs = self.func_name, self.instance, self.args, self.kwargs
        except DeserializationError:
            raise BadJob("Its data cannot be read.") from None
        if not isinstance(name, str) or name not in ALLOWED or instance is not None:
            raise BadJob(f"It names {name!r:.80}, which is not on the allow list.")
        if not isinstance(args, tuple) or not isinstance(kwargs, dict) or not all(isinstance(k, str) for k in kwargs):
            raise BadJob("Its arguments are invalid.")

    def refresh(self) -> None:
        """Read the whole record, as dashboards and RQ's maintenance of its registries do. Raises BadJob."""
        fetched(super().refresh)

    def restore(self, raw_data: dict) -> None:
        """Set the job's fields from its record; raises BadJob for one that RQ cannot parse."""
        try:
            known = {as_text(k): v for k, v in raw_data.items() if not UNREAD & set(_words(k))}
            data = known.pop("data", None)
            super().restore(known if data is None else known | {"data": b""})
            if data is not None:  # RQ itself would decompress a bomb until memory runs out
                self.data = inflated(data)
        except NoSuchJobError:
            raise
        except Exception as error:  # wrong dates, numbers and texts raise errors of many types
            raise BadJob(f"Its record cannot be read ({type(error).__name__}).") from None


def fetched(read: Callable[[], Any]) -> Any:
    """Call `read` and return its result; raises BadJob if Redis says that the key holds no job's record."""
    try:
        return read()
    except ResponseError as error:
        if "WRONGTYPE" in str(error):
            raise BadJob("Its record is not a job's.") from None
        raise


def inflated(data: bytes) -> bytes:
    """Decompress data that RQ may have compressed; raises BadJob if there is more than a job of ours can have."""
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(data, MAX_INFLATED_BYTES)
    except zlib.error:  # the data was not compressed; a new object has no rest of the failed attempt
        inflater, found = zlib.decompressobj(), data
    if inflater.unconsumed_tail or len(found) > MAX_INFLATED_BYTES:
        raise BadJob(f"Its data has more than {MAX_INFLATED_BYTES} bytes.")
    return found


def _words(field: bytes | str) -> list[str]:
    return (field.decode(errors="replace") if isinstance(field, bytes) else field).split("_")
