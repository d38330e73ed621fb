"""Attacks by those who reach a deployment's Redis: somebody on its network, or an edge that was taken over."""

import asyncio
import contextlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import msgpack
import numpy as np
import psutil
import redis
from safetensors.numpy import load_file, save

from edge.grid_model.weights import SHIPPED
from pipeline.contract import redis_keys
from pipeline.contract.grid_codec import pack_grid
from pipeline.contract.messages import MAX_BYTES, KeyFrame, StylizedFrame, WeightSnapshot
from pipeline.queues.edge_broker import EdgeBroker
from security.fort import Target
from security.web import ask
from support.pictures.grids import lifelike_grid
from workers.process.redis_server import free_port
from workers.process.runtime import die_with_parent

QUEUE = b"rq:queue:stylize.edge"
#: A lost worker is replaced in less time than this.
BACK_S = 15.0


async def until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Whether a condition became true in time."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        if await asyncio.to_thread(condition):
            return True
        await asyncio.sleep(0.1)
    return False


def worker_there(connection: redis.Redis) -> bool:
    return bool(connection.exists(redis_keys.worker_beacon("edge")))


def jobs_left(connection: redis.Redis) -> int:
    return connection.llen(QUEUE)


async def malformed_jobs(target: Target) -> str:
    """Job records that RQ itself cannot read: an invalid date, ids that are not text, a value of the wrong type."""
    hostile: dict[bytes, dict] = {
        b"hostile-date": {"created_at": "never", "data": b"x", "status": "queued"},
        b"hostile-\xff\xfe": {"created_at": "2026-01-01T00:00:00Z", "data": b"\xc1", "status": "queued"},
        b"hostile-timeout": {"created_at": "2026-01-01T00:00:00Z", "timeout": "soon", "data": b"", "origin": b"\xff"},
        b"hostile-meta": {"created_at": "2026-01-01T00:00:00Z", "meta": b"\xc1\xc1", "data": b"\x81\xc1"},
        b"hostile-numbers": {"created_at": "2026-01-01T00:00:00Z", "result_ttl": "\u0663x", "ttl": "-", "data": b"x"},
        b"hostile-enqueued": {"created_at": "", "enqueued_at": "\x00", "worker_name": b"\xff", "data": b"\x90"},
    }
    with redis.Redis.from_url(target.redis_url) as connection:
        for round_ in range(3):
            for name, fields in hostile.items():
                name = name + str(round_).encode()
                connection.hset(b"rq:job:" + name, mapping=fields)
                connection.rpush(QUEUE, name)
            connection.set(b"rq:job:hostile-kind%d" % round_, b"no hash")
            connection.rpush(QUEUE, b"hostile-kind%d" % round_)
            connection.rpush(QUEUE, b"", b"\x00" * 64, b"a" * 100_000)
            await asyncio.sleep(2)
        there = await until(lambda: worker_there(connection) and jobs_left(connection) == 0, BACK_S)
    return "" if there else "the queue is not worked on any more"


async def memory_full(target: Target, seconds: float = 20.0) -> str:
    """A Redis without room for another byte: key frames cannot be queued, and everything else goes on."""
    with redis.Redis.from_url(target.redis_url) as connection:
        names, end_s = [], time.monotonic() + seconds
        try:
            while time.monotonic() < end_s:
                names += await asyncio.to_thread(_fill, connection, len(names))
                await asyncio.sleep(0.5)  # keys that were about to expire have made room meanwhile
        finally:
            connection.delete(*names)
        back = await until(lambda: worker_there(connection), BACK_S)
    return "" if back else "no worker is there any more"


def _fill(connection: redis.Redis, first: int) -> list[str]:
    """Fill all room with keys that may not be evicted; returns their names."""
    names = []
    for size in (1 << 20, 1 << 16, 1 << 10):
        with contextlib.suppress(redis.exceptions.OutOfMemoryError):
            for _ in range(500):
                name = f"ballast:{first + len(names)}"
                connection.set(name, bytes(size))
                names.append(name)
    return names


def gateway_id(connection: redis.Redis) -> str:
    return next(connection.scan_iter(redis_keys.results("*"), count=1000)).decode().rpartition(":")[2]


async def result_of_the_future(target: Target) -> str:
    """An entry in a gateway's results whose id no later one can exceed, so that no answer could follow it."""
    with redis.Redis.from_url(target.redis_url) as connection:
        key = redis_keys.results(gateway_id(connection))
        connection.xadd(key, {"frame": b"x"}, id=f"{2**64 - 1}-{2**64 - 1}")
        await asyncio.sleep(4)
        newest = connection.xrevrange(key, count=1)
    return "the stream still ends with it" if newest and newest[0][0].startswith(b"18446744073709551615") else ""


async def wrong_kinds(target: Target) -> str:
    """Keys of ours with another type of value: a list instead of a stream, a string instead of a set."""
    with redis.Redis.from_url(target.redis_url) as connection:
        results = redis_keys.results(gateway_id(connection))
        for key in (results, redis_keys.STYLES, redis_keys.ROLES, redis_keys.COUNTS, redis_keys.samples("edge")):
            connection.delete(key)
            connection.lpush(key, b"another kind")
        await asyncio.sleep(3)
        for key in (results, redis_keys.STYLES, redis_keys.ROLES, redis_keys.COUNTS, redis_keys.samples("edge")):
            with contextlib.suppress(redis.RedisError):
                if connection.type(key) == b"list":
                    connection.delete(key)
        back = await until(lambda: worker_there(connection), BACK_S)
    return "" if back else "no worker is there any more"


async def unsigned_global(target: Target) -> str:
    """An unsigned global model with the newest version; before, it replaced the model everywhere."""
    with redis.Redis.from_url(target.redis_url) as connection:
        served = connection.get(redis_keys.worker_beacon("edge"))
        weights = poisoned()
        newest = connection.xrevrange(redis_keys.WEIGHTS_GLOBAL, count=1)
        version = WeightSnapshot.unpack(newest[0][1][b"snapshot"]).base_version if newest else 1
        forged = WeightSnapshot.of(weights, edge_id=redis_keys.CLOUD, base_version=version)
        if hasattr(forged, "published"):
            forged = replace(forged, published=1 << 40, signature=bytes(32))
        for index in range(forged.part_count):
            part = weights[index * MAX_BYTES : (index + 1) * MAX_BYTES]
            connection.set(redis_keys.part(forged.edge_id, forged.sha256, index), part, ex=600)
        connection.xadd(redis_keys.WEIGHTS_GLOBAL, {"snapshot": forged.pack()})
        adopted = await until(lambda: connection.get(redis_keys.worker_beacon("edge")) not in (served, None), 10)
        connection.delete(redis_keys.WEIGHTS_GLOBAL)
    return "workers serve a forged model" if adopted else ""


def poisoned() -> bytes:
    """The shipped weights, a little changed."""
    tensors = load_file(SHIPPED)
    name = next(iter(tensors))
    return save({**tensors, name: tensors[name] * np.float16(1.5)})


async def nan_timings(target: Target) -> str:
    """Answers with NaN as timings, before the worker's own; they stayed in /status.json, which became unreadable."""
    given = 0
    with redis.Redis.from_url(target.redis_url) as connection:
        gateway = gateway_id(connection)
        end_s = time.monotonic() + 5
        while time.monotonic() < end_s:
            for key in connection.scan_iter("mvs:blob:*", count=1000):
                if data := connection.get(key):
                    with contextlib.suppress(Exception):
                        frame = KeyFrame.unpack(data)
                        for value in (math.nan, math.inf, -1e300):
                            EdgeBroker(connection).answer(gateway, lie(frame, value))
                        given += 1
        _, _, body = await asyncio.to_thread(ask, target, "/status.json", here=True)
        report = json.dumps({"mvs_made_up": math.nan, "mvs_worker_styles": math.inf})
        with contextlib.suppress(Exception):
            from pipeline.contract.messages import RoleReport

            connection.sadd(redis_keys.ROLES, "stylize.liar")
            connection.set(redis_keys.role("stylize.liar"), RoleReport("stylize", report.encode()).pack(), ex=5)
            await asyncio.sleep(3)
        _, _, later = await asyncio.to_thread(ask, target, "/status.json", here=True)
    for text in (body, later):
        with contextlib.suppress(ValueError):
            json.loads(text, parse_constant=_refuse)
            continue
        return f"/status.json is no JSON any more ({given} answers)"
    return ""


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def lie(frame: KeyFrame, value: float) -> StylizedFrame:
    """An answer that is right except for its timings."""
    grid = lifelike_grid()
    answer = StylizedFrame(
        stream_id=frame.stream_id,
        frame_id=frame.frame_id,
        style_id=frame.style_id,
        edge_id="edge",
        cut=False,
        model_version="liar",
        grid_shape=grid.shape[1:4],
        grid=pack_grid(grid),
        decode_ms=1.0,
        stylize_ms=1.0,
        error="",
    )
    return replace(answer, decode_ms=value, stylize_ms=value, queue_ms=value)


async def stopped_worker(target: Target) -> str:
    """A worker that hangs, by SIGSTOP; before, it was never replaced."""
    worker = psutil.Process(target.worker)
    with redis.Redis.from_url(target.redis_url) as connection:
        worker.suspend()
        try:
            gone = await until(
                lambda: (
                    not psutil.pid_exists(target.worker)
                    or psutil.Process(target.worker).status() != psutil.STATUS_STOPPED
                ),
                30,
            )
            back = gone and await until(lambda: worker_there(connection), BACK_S)
        finally:
            with contextlib.suppress(psutil.Error):
                worker.resume()
    return "" if back else "it was not replaced within 30 s"


async def stopped_gateway(target: Target) -> str:
    """A gateway that hangs, by SIGSTOP, for half a minute at most."""
    gateway = psutil.Process(target.gateway)
    gateway.suspend()
    try:
        gone = await until(lambda: not psutil.pid_exists(target.gateway), 30)
    finally:
        with contextlib.suppress(psutil.Error):
            gateway.resume()
    return "" if gone else "it was not replaced within 30 s"


#: Text that would run as a script anywhere in a page.
SCRIPTS = ("<script>window.taken=1</script>", "<img src=x onerror=window.taken=1>", "\"'><svg onload=window.taken=1>")


async def script_in_a_job(target: Target) -> str:
    """Jobs whose description, id, error and worker are scripts, which operators see in `mvstylizer dashboard`."""
    port = free_port()
    with redis.Redis.from_url(target.redis_url) as connection:
        for number, script in enumerate(SCRIPTS):
            fields = {
                "created_at": "2026-01-01T00:00:00.000000Z",
                "description": script,
                "exc_info": script,
                "status": "failed",
                "origin": script,
                "data": msgpack.packb([script, None, [], {}]),
            }
            connection.hset(f"rq:job:script-{number}", mapping=fields)
            connection.zadd("rq:failed:stylize.edge", {f"script-{number}": time.time() + 600})
        process = subprocess.Popen(
            [sys.executable, "-m", "workers", "dashboard", "--port", str(port), "--redis", target.redis_url],
            preexec_fn=die_with_parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        shown = Target(f"http://127.0.0.1:{port}", "", "", target.log, 0, 0)
        try:
            found = await _pages(shown, process)
        finally:
            process.kill()
            process.wait()
            connection.delete("rq:failed:stylize.edge", *(f"rq:job:script-{number}" for number in range(len(SCRIPTS))))
    return found


async def _pages(shown: Target, process: subprocess.Popen) -> str:
    for _ in range(150):
        await asyncio.sleep(0.2)
        if process.poll() is not None:
            return "not tried: the dashboard did not start"
        with contextlib.suppress(OSError):
            await asyncio.to_thread(ask, shown, "/", here=True)
            break
    for path in ("/", "/0/view/jobs", "/0/view/jobs/stylize.edge/failed/8/dsc/1", "/0/view/job/script-0"):
        _, headers, body = await asyncio.to_thread(ask, shown, path, here=True)
        policy = headers.get("Content-Security-Policy", "")
        sources = next((part for part in policy.split(";") if part.strip().startswith("script-src")), "")
        if "'self'" not in sources or "unsafe-inline" in sources:
            return f"scripts of anybody's may run in {path}: {policy[:60]!r}"
        if any(script.encode() in body for script in SCRIPTS):
            return f"{path} holds a job's script as it is"
    return ""
