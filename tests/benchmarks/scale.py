"""Measures what more workers gain, and what overload costs, with stub workers of a fixed time:

    uv run python tests/benchmarks/scale.py [--stub-ms 30] [--seconds 10] [--only PART ...] [--real]

- workers: key frames a second of 1, 2 and 4 of them, fed straight from the queue (>= 1.9 and >= 3.6 times); each twice
  in turn, and their mean. `--real` takes the shipped model, of which each needs a core of its own.
- gateway: the same through one gateway by WebRTC clients who ask for half as much again. It and they take the
  processor that workers need: on two cores this is less.
- overload: one worker at 50, 100, 150 and 300 % of what it can do: how many answers come (>= 90 % of the most), how old
  the latest of them are, how long the queue gets and whether anybody's memory grows.
- fairness: one greedy client (1920x1080, 60 frames a second, asking for all the key frames it can get) beside seven
  normal ones, on half the workers they would need: Jain's index of the answers each got (>= 0.9).

Clients of `gateway` and `overload` send few and small pictures, as frames are not what is measured there. The last
line is JSON.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).parent.parent))
from throughput import GATEWAY, IGNORED, answered  # noqa: E402

from clients.load.cli import Outcome, jain, measure  # noqa: E402
from clients.load.recording import Recording, record  # noqa: E402
from clients.load.virtual_clients import Plan, VirtualClient, VirtualClients  # noqa: E402
from pipeline.contract import redis_keys  # noqa: E402
from pipeline.queues.broker import GatewayBroker  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.system.crew import Crew  # noqa: E402

WORKERS = (1, 2, 4)
SMALL, NORMAL, GREEDY = (128, 72), (640, 360), (1920, 1080)
#: Frames a second of a small client, and key frames: it asks for each. A gateway picks at most eight a second.
RATE = 6
RAMP_S = 2
#: For each worker, with two key frames in flight each: it never waits for the next one.
STREAMS = 4


def main() -> None:
    args = arguments()
    parts = {"workers": workers, "gateway": through_gateway, "overload": overload, "fairness": fairness}
    chosen = ["workers"] if args.real else args.only or list(parts)
    print(json.dumps({name: parts[name](args) for name in chosen}))


@contextmanager
def crew(args: argparse.Namespace, workers: int = 1, stub_ms: float | None = None) -> Iterator[Crew]:
    """`stub_ms`: what a key frame takes, if it is not what is asked for on the command line."""
    with tempfile.TemporaryDirectory() as folder:
        with Crew(Path(folder), workers=workers, stub_ms=None if args.real else stub_ms or args.stub_ms) as crew:
            yield crew


# workers


def workers(args: argparse.Namespace) -> dict:
    rates: dict[int, list[float]] = {number: [] for number in WORKERS}
    for number in 2 * WORKERS:
        with crew(args, number) as running:
            rates[number].append(asyncio.run(fed(running.redis_url, number, args.seconds)))
    return speedups("workers", {number: statistics.mean(found) for number, found in rates.items()})


async def fed(redis_url: str, workers: int, seconds: float) -> float:
    """Answers a second, with more key frames under way than workers can take."""
    broker = GatewayBroker(redis_url, edge_id="edge", gateway_id=GATEWAY)
    answers, ignored, start_s = 0, IGNORED * workers, float("inf")
    async with aclosing(answered(broker, STREAMS * workers)) as arriving:
        async for _ in arriving:
            answers += 1
            if answers == ignored:
                start_s = time.monotonic()
            if time.monotonic() - start_s > seconds:
                break
    broker.close()
    return (answers - ignored) / (time.monotonic() - start_s)


def speedups(title: str, rates: dict[int, float]) -> dict:
    print(f"\n{title:>10}{'answers/s':>12}{'speed-up':>12}")
    for number, rate in rates.items():
        print(f"{number:>10}{rate:>12.1f}{rate / rates[1]:>12.2f}", flush=True)
    return {
        "answers_per_s": {number: round(rate, 1) for number, rate in rates.items()},
        "speedup": [round(rates[number] / rates[1], 2) for number in WORKERS[1:]],
    }


# through a gateway


def through_gateway(args: argparse.Namespace) -> dict:
    small, rates = record(None, SMALL, fps=RATE), {}
    for number in WORKERS:
        with crew(args, number) as running:
            summary, _ = measure(plan(running, small, 1.5 * number * 1000 / args.stub_ms, args), 1)
            rates[number] = summary["key_frames_per_s"]
    return speedups("workers", rates)


def plan(running: Crew, small: Recording, key_frames_per_s: float, args: argparse.Namespace) -> Plan:
    """As many clients as it takes to ask for so many, and two at least."""
    clients = max(2, round(key_frames_per_s / RATE))
    return Plan(running.url, shipped()[0].id, (small,), RATE, clients, RAMP_S, args.seconds)


def overload(args: argparse.Namespace) -> dict[str, dict]:
    small, rows = record(None, SMALL, fps=RATE), {}
    with crew(args) as running:
        capacity = asyncio.run(fed(running.redis_url, 1, args.seconds / 2))
        for share in (0.5, 1.0, 1.5, 3.0):
            asked = plan(running, small, share * capacity, args)
            rows[f"{share:.0%}"] = overloaded(running, asked)
    most = max(row["answers_per_s"] for row in rows.values())
    for row in rows.values():
        row["goodput"] = round(row["answers_per_s"] / most, 3)
    print_table("load", rows)
    return rows


def overloaded(running: Crew, asked: Plan) -> dict[str, float]:
    longest, summary = watched(running, asked)
    memory = {f"{role}_mb": summary["roles"][role]["rss_mb"] for role in ("gateway", "redis")}
    return {
        "clients": asked.clients,
        "due_per_s": asked.clients * RATE,
        "answers_per_s": summary["key_frames_per_s"],
        **{f"{name}_ms": value for name, value in summary["key_frame_round_trip_ms"].items()},
        "lost": summary["lost"],
        "longest_queue": longest,
        **memory,
    }


def watched(running: Crew, asked: Plan) -> tuple[int, dict]:
    """The longest that the queue was at any second's end, and the load test's summary."""
    lengths = [0]
    with redis.Redis.from_url(running.redis_url) as connection:
        queue = f"rq:queue:{redis_keys.stylize_queue('edge')}"
        summary, _ = measure(asked, 1, on_second=lambda *_: lengths.append(connection.llen(queue)))
    return max(lengths), summary


def print_table(first: str, rows: dict[str, dict]) -> None:
    names = list(next(iter(rows.values())))
    print(f"\n{first:8}" + "".join(f"{name:>14}" for name in names))
    for title, row in rows.items():
        print(f"{title:8}" + "".join(f"{row[name]!s:>14}" for name in names), flush=True)


# fairness


def fairness(args: argparse.Namespace) -> dict:
    """One worker of twice the time, for 8 clients."""
    with crew(args, stub_ms=2 * args.stub_ms) as running:
        answers = asyncio.run(beside(running.url, args.seconds))
    index = jain(answers)
    print(f"\nOne greedy client beside seven: {answers}, Jain's index {index}\n", flush=True)
    return {"jain": index, "answers_greedy_first": answers}


async def beside(url: str, seconds: float) -> list[int]:
    """Answers of one greedy client and seven normal ones."""
    greedy, normal = record(None, GREEDY, fps=60), record(None, NORMAL)
    plan = Plan(url, shipped()[0].id, (normal,), 2, 7, RAMP_S, seconds, start_s=time.monotonic())
    begging = Plan(url, shipped()[0].id, (greedy,), 8, 1, RAMP_S, seconds, start_s=plan.start_s)
    groups, outcome = [VirtualClients(begging, [0]), VirtualClients(plan, range(7))], Outcome()
    await asyncio.gather(*(group.run(lambda report: outcome.record([report])) for group in groups))
    clients: list[VirtualClient] = [client for group in groups for client in group.clients.values()]
    return [client.answers for client in clients]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stub-ms", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", nargs="+", choices=("workers", "gateway", "overload", "fairness"), metavar="PART")
    parser.add_argument("--real", action="store_true", help="the shipped model instead of the stub; workers only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
