"""Jobs' records in Redis, which whoever reaches it may have written."""

import zlib
from random import Random
from types import SimpleNamespace

import msgpack
from rq.exceptions import NoSuchJobError

from harness import Finding, Target
from mutations import flipped, tree
from pipeline.queues.rq_job import ALLOWED, AllowListedJob, BadJob, MsgpackSerializer
from targets.messages import PACKABLE


def job(data: bytes) -> None:
    """An id, a line end and a job's data: an allowed function with plain arguments, BadJob, or nothing there."""
    job_id, _, body = data.partition(b"\n")
    connection = SimpleNamespace(hstrlen=lambda key, field: len(body), hget=lambda key, field: body)
    try:
        taken = AllowListedJob.taken(job_id, SimpleNamespace(connection=connection, name="stylize.edge"))
    except BadJob:
        return
    if taken and (taken.func_name not in ALLOWED or taken.instance is not None or not isinstance(taken.args, tuple)):
        raise Finding(f"would run {taken.func_name}")


def record(data: bytes) -> None:
    """All fields of a record, as msgpack: what a dashboard reads of it, or no such job, as RQ calls it."""
    try:
        fields = msgpack.unpackb(data, raw=True)
    except Exception:  # no record
        return
    if not isinstance(fields, dict) or not all(isinstance(part, bytes) for pair in fields.items() for part in pair):
        return
    shown = AllowListedJob("a", connection=SimpleNamespace(), serializer=MsgpackSerializer)
    try:
        shown.restore(fields)
    except NoSuchJobError:
        return
    if shown._success_callback_name or shown._dependency_ids:
        raise Finding("it names more than one function")


def _job(data: bytes, rng: Random) -> bytes:
    job_id, _, body = data.partition(b"\n")
    try:
        body = zlib.decompress(body)
    except zlib.error:
        pass
    changed = msgpack.packb(tree(msgpack.unpackb(body), rng, PACKABLE))
    match rng.randrange(4):
        case 0:
            changed = zlib.compress(changed)
        case 1:
            changed = zlib.compress(changed + bytes(rng.choice((2**10, 2**17, 2**22))))
    return (flipped(job_id, rng) if rng.random() < 0.1 else job_id) + b"\n" + changed


def _record(data: bytes, rng: Random) -> bytes:
    fields = {key: value if isinstance(value, bytes) else b"" for key, value in msgpack.unpackb(data, raw=True).items()}
    key = rng.choice(list(fields))
    odd = (b"never", b"\xff", b"-1", b"1e9", b"9" * 400, b"[]", b"null", b"2026-13-45T99:00:00Z")
    name = rng.choice((key, b"success_callback_name", b"dependency_ids", b"repeats_left", b"worker_name", b"\xff"))
    return msgpack.packb(fields | {name: rng.choice((*odd, flipped(fields[key], rng)))})


JOB = Target("job", job, _job, max_bytes=8 * 1024)
RECORD = Target("record", record, _record, max_bytes=8 * 1024)
