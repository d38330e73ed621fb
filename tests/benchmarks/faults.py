"""Measures what clients notice when parts die, with stub workers of 30 ms and eight clients at two looks a second each:

    uv run python tests/benchmarks/faults.py [--redis-down 30]

- kill -9 of one of two workers amid a key frame, three times: looks that were lost or later than 0.5 s, of the client
  that has the most (<= 1)
- kill -9 of the gateway, begun again a second later: until the last client has a look again, from its being ready
  (<= 5 s)
- Redis gone for a while, amid a key frame: frames a second meanwhile, what the gateway grew by in its first and second
  half, until looks come again from its being back (<= 2 s), and workers that live on
- clients that vanish with kill -9: until their sessions are gone (<= 10 s)

The last line is JSON.
"""

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psutil
import redis

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.load import virtual_clients  # noqa: E402
from clients.load.cli import scrape  # noqa: E402
from clients.load.recording import record  # noqa: E402
from clients.load.virtual_clients import LoadCounters, Plan, VirtualClients  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.system.crew import Crew  # noqa: E402

CLIENTS, RATE = 8, 2
WORKERS, KILLS = ("worker 0", "worker 1"), 3
LATE_S = 0.5
#: By this time a look that was lost with a killed worker is late.
AFTER_S = 3.0
#: The time in which a worker is forked again.
START_S = 60.0


class Watched(LoadCounters):
    """Remembers when each look came, and how late it was."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[tuple[float, float]] = []  # when it came, seconds after it was due

    def serve(self, seconds: float) -> None:
        super().serve(seconds)
        self.looks.append((time.monotonic(), seconds))

    def missed(self, since_s: float) -> int:
        """The number of looks due since then that were late or lost."""
        return self.lost + sum(came_s - late_s > since_s and late_s > LATE_S for came_s, late_s in self.looks)

    def first_after(self, moment_s: float) -> float | None:
        """The seconds from then to the first look that was due since then."""
        return next((came_s - moment_s for came_s, late_s in self.looks if came_s - late_s >= moment_s), None)


class Clients:
    """Eight clients in this process, each with counters of its own; their looks are due one after the other."""

    def __init__(self, url: str, recording) -> None:
        plan = Plan(url, shipped()[0].id, (recording,), RATE, CLIENTS, 1 / RATE, 1e6, start_s=time.monotonic())
        self.all_counters = [Watched() for _ in range(CLIENTS)]
        self._clients = VirtualClients(plan, range(CLIENTS))
        for client, counters in zip(self._clients.clients.values(), self.all_counters):
            client._counters = lambda counters=counters: counters

    async def __aenter__(self) -> "Clients":
        self._tasks = [asyncio.create_task(self._clients._live(number)) for number in range(CLIENTS)]
        await until(lambda: all(len(counters.looks) > 4 for counters in self.all_counters), 60)
        self.forget()
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget(self) -> None:
        """Forget the looks that were lost so far."""
        for counters in self.all_counters:
            counters.lost = 0

    async def looks_again(self, since_s: float, limit_s: float = 60) -> float:
        """The seconds until every client had a look that was due since then."""
        await until(lambda: all(counters.first_after(since_s) is not None for counters in self.all_counters), limit_s)
        return round(max(counters.first_after(since_s) for counters in self.all_counters), 2)


def main() -> None:
    args = arguments()
    recording = record(None, (640, 360))
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder), workers=len(WORKERS)) as crew:
        result = asyncio.run(measure(crew, recording, args.redis_down))
        result |= vanished(crew, recording)
    for name, value in result.items():
        print(f"{name:44}{value}", flush=True)
    print(json.dumps(result))


async def measure(crew: Crew, recording, down_s: float) -> dict:
    async with Clients(crew.url, recording) as clients:
        result = await kill_worker(crew, clients)
    async with Clients(crew.url, recording) as clients:
        result |= await kill_gateway(crew, clients)
    async with Clients(crew.url, recording) as clients:
        return result | await stop_redis(crew, clients, down_s)


async def kill_worker(crew: Crew, clients: Clients) -> dict:
    missed, amid = [], 0
    for _ in range(KILLS):
        since_s = time.monotonic()
        await asyncio.sleep(0.25)
        victim = crew.process(WORKERS[0])
        await until(lambda: state(crew, victim) == b"busy", START_S)
        await asyncio.to_thread(crew.kill, WORKERS[0])
        amid += state(crew, victim) == b"busy"  # it told nobody that it was done
        await asyncio.sleep(AFTER_S)
        missed.append(max(counters.missed(since_s) for counters in clients.all_counters))
        await until(lambda: state(crew, crew.process(WORKERS[0])) is not None, START_S)
        clients.forget()
    return {"worker_killed_amid_a_key_frame": amid, "worker_killed_most_looks_missed_by_one": missed}


async def kill_gateway(crew: Crew, clients: Clients) -> dict:
    await asyncio.to_thread(crew.kill, "gateway")
    killed_s = time.monotonic()
    await asyncio.sleep(1)
    crew.start("gateway")
    await asyncio.to_thread(crew.wait_ready)
    ready_s = time.monotonic()
    again_s = await clients.looks_again(ready_s)
    return {"gateway_killed_ready_after_s": round(ready_s - killed_s, 2), "gateway_back_to_looks_s": again_s}


async def stop_redis(crew: Crew, clients: Clients, down_s: float) -> dict:
    gateway = crew.process("gateway")
    await until(lambda: any(state(crew, crew.process(worker)) == b"busy" for worker in WORKERS), START_S)
    await asyncio.to_thread(crew.kill, "redis")
    frames, rss, began_s = frames_received(crew), [gateway.memory_info().rss], time.monotonic()
    for _ in range(2):
        await asyncio.sleep(down_s / 2)
        rss.append(gateway.memory_info().rss)
    fps = (frames_received(crew) - frames) / (time.monotonic() - began_s) / CLIENTS
    crew.start("redis")
    again_s = await clients.looks_again(time.monotonic())
    return {
        "redis_down_s": down_s,
        "redis_down_fps": round(fps, 1),
        "redis_down_gateway_grew_mb": [round((after - before) / 1e6, 1) for before, after in pairwise(rss)],
        "redis_back_to_looks_s": again_s,
        "redis_back_workers": sum(crew.alive(worker) for worker in WORKERS),
    }


def state(crew: Crew, worker: psutil.Process) -> bytes | None:
    """A worker's state in Redis: busy, idle, …; None before it is there."""
    with redis.Redis.from_url(crew.redis_url) as connection:
        mark = f"-{worker.pid}-".encode()
        return next((connection.hget(key, "state") for key in connection.smembers("rq:workers") if mark in key), None)


def vanished(crew: Crew, recording) -> dict:
    """Kill a process with clients in it."""
    plan = Plan(crew.url, shipped()[0].id, (recording,), RATE, CLIENTS, 1.0, 1e6)
    mine, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=virtual_clients.run, args=(plan, range(CLIENTS), theirs)
    )
    process.start()
    mine.recv()
    mine.send(time.monotonic())
    wait(lambda: sessions(crew) == CLIENTS)
    process.kill()
    killed_s = time.monotonic()
    wait(lambda: sessions(crew) == 0)
    process.join()
    return {"vanished_clients_freed_after_s": round(time.monotonic() - killed_s, 1)}


def sessions(crew: Crew) -> int:
    with urllib.request.urlopen(f"{crew.url}/healthz", timeout=5) as response:
        return json.load(response)["sessions"]


def frames_received(crew: Crew) -> float:
    return scrape(crew.url, None).total("mvs_frames_received_total")


def wait(condition: Callable[[], bool], limit_s: float = 60) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError
        time.sleep(0.1)


async def until(condition: Callable[[], bool], limit_s: float) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.02)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis-down", type=float, default=30, metavar="S")
    return parser.parse_args()


if __name__ == "__main__":
    main()
