"""What clients notice when parts die, with stub workers of 30 ms and eight clients at two looks a second each:

    uv run python tests/benchmarks/faults.py [--redis-down 30]

- kill -9 of one of two workers: looks that were lost or later than 0.5 s, of the client that has the most (<= 1)
- kill -9 of the gateway, begun again a second later: until the last client has a look again, from its being ready
  (<= 5 s)
- Redis gone for a while: frames that clients could not send, what the gateway grew by, and until looks come again from
  its being back (<= 2 s)
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients import crowd as crowds  # noqa: E402
from clients.crowd import Crowd, Plan, Tally  # noqa: E402
from clients.load import scrape  # noqa: E402
from clients.replay import record  # noqa: E402
from crew import Crew  # noqa: E402
from pipeline.styles import shipped  # noqa: E402

CLIENTS, RATE = 8, 2
LATE_S = 0.5
AFTER_S = 6.0


class Watched(Tally):
    """Remembers when each look came, and how late it was."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[tuple[float, float]] = []  # when it came, seconds after it was due

    def serve(self, seconds: float) -> None:
        super().serve(seconds)
        self.looks.append((time.monotonic(), seconds))

    def missed(self, since_s: float) -> int:
        """Looks due since then that were late or lost."""
        return self.lost + sum(came_s - late_s > since_s and late_s > LATE_S for came_s, late_s in self.looks)

    def first_after(self, moment_s: float) -> float | None:
        """Seconds from then to the first look that was also due since then."""
        return next((came_s - moment_s for came_s, late_s in self.looks if came_s - late_s >= moment_s), None)


class Clients:
    """Eight clients in this process, each with a tally of its own."""

    def __init__(self, url: str, recording) -> None:
        plan = Plan(url, shipped()[0].id, (recording,), RATE, CLIENTS, 1.0, 1e6, start_s=time.monotonic())
        self.tallies = [Watched() for _ in range(CLIENTS)]
        self._members = Crowd(plan, range(CLIENTS)).members.values()
        for member, tally in zip(self._members, self.tallies):
            member._tally = lambda tally=tally: tally

    async def __aenter__(self) -> "Clients":
        self._tasks = [asyncio.create_task(member.live()) for member in self._members]
        await until(lambda: all(len(tally.looks) > 4 for tally in self.tallies), 60)
        for tally in self.tallies:
            tally.lost = 0
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def looks_again(self, since_s: float, limit_s: float = 60) -> float:
        """Seconds until the last client had a look that was due since then."""
        await until(lambda: all(tally.first_after(since_s) is not None for tally in self.tallies), limit_s)
        return round(max(tally.first_after(since_s) for tally in self.tallies), 2)


def main() -> None:
    args = arguments()
    recording = record(None, (640, 360))
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder), workers=2) as crew:
        result = asyncio.run(measure(crew, recording, args.redis_down))
        result |= vanished(crew, recording)
    for name, value in result.items():
        print(f"{name:44}{value}")
    print(json.dumps(result))


async def measure(crew: Crew, recording, down_s: float) -> dict:
    async with Clients(crew.url, recording) as clients:
        result = await kill_worker(crew, clients)
    async with Clients(crew.url, recording) as clients:
        result |= await kill_gateway(crew, clients)
    async with Clients(crew.url, recording) as clients:
        return result | await stop_redis(crew, clients, down_s)


async def kill_worker(crew: Crew, clients: Clients) -> dict:
    since_s = time.monotonic()
    await asyncio.sleep(0.25)
    await asyncio.to_thread(crew.kill, "worker 0")
    await asyncio.sleep(AFTER_S)
    crew.start("worker 0")
    return {"worker_killed_most_looks_missed_by_one": max(tally.missed(since_s) for tally in clients.tallies)}


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
    rss, frames = gateway.memory_info().rss, frames_received(crew)
    began_s = time.monotonic()
    await asyncio.to_thread(crew.kill, "redis")
    await asyncio.sleep(down_s)
    fps = (frames_received(crew) - frames) / (time.monotonic() - began_s) / CLIENTS
    grown = gateway.memory_info().rss - rss
    crew.start("redis")
    back_s = time.monotonic()
    again_s = await clients.looks_again(back_s)
    return {
        "redis_down_s": down_s, "redis_down_fps": round(fps, 1),
        "redis_down_gateway_grew_mb": round(grown / 1e6, 1), "redis_back_to_looks_s": again_s,
    }


def vanished(crew: Crew, recording) -> dict:
    """Kill a process with clients in it."""
    plan = Plan(crew.url, shipped()[0].id, (recording,), RATE, CLIENTS, 1.0, 1e6)
    mine, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=crowds.run, args=(plan, range(CLIENTS), theirs))
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
