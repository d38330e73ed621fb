"""What more workers bring, and what too much load takes away, with stub workers of a fixed time:

    uv run python tests/benchmarks/scale.py [--stub-ms 30] [--seconds 10] [--real]

1. Key frames a second of 1, 2 and 4 workers that are always asked for more than they can do (>= 1.9 and >= 3.6 times).
2. One worker at 50, 100, 150 and 300 % of what it can do: how many answers come (>= 90 % of the most), how old the
   latest of them are, how long the queue gets and whether anybody's memory grows.
3. One greedy client (1920x1080, 60 frames a second, asking for all the key frames it can get) beside seven normal ones,
   on half the workers they would need: Jain's index of the answers each got (>= 0.9).

Clients of the first two parts send small pictures, as frames are not what is measured there. --real takes the shipped
model for part 1 instead. The last line is JSON.
"""
import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.crowd import Crowd, Member, Plan  # noqa: E402
from clients.load import Outcome, measure  # noqa: E402
from clients.replay import record  # noqa: E402
from crew import Crew  # noqa: E402
from pipeline import topology  # noqa: E402
from pipeline.styles import shipped  # noqa: E402

SMALL, NORMAL, GREEDY = (128, 72), (640, 360), (1920, 1080)
RAMP_S = 2


def main() -> None:
    args = arguments()
    small = record(None, SMALL, fps=10)
    per_worker = 1000 / args.stub_ms
    result = {"workers": {n: workers(n, small, per_worker, args) for n in (1, 2, 4)}}
    result["workers_speedup"] = [round(result["workers"][n] / result["workers"][1], 2) for n in (2, 4)]
    print(f"{'workers':>10}{'answers/s':>12}")
    for n, answers in result["workers"].items():
        print(f"{n:>10}{answers:>12}")
    if not args.real:
        result["overload"] = overload(small, result["workers"][1], args)
        print_table("load", result["overload"])
        most = max(row["answers_per_s"] for row in result["overload"].values())
        result["goodput"] = {name: round(row["answers_per_s"] / most, 3) for name, row in result["overload"].items()}
        result["jain"], result["answers_greedy_first"] = fairness(args)
    print(json.dumps(result))


def workers(count: int, recording, per_worker: float, args: argparse.Namespace) -> float:
    """Answers a second of so many workers, by clients who ask for half as much again."""
    clients, rate = clients_for(1.5 * count * per_worker)
    with tempfile.TemporaryDirectory() as folder, Crew(
        Path(folder), workers=count, stub_ms=None if args.real else args.stub_ms
    ) as crew:
        plan = Plan(crew.url, shipped()[0].id, (recording,), rate, clients, RAMP_S, args.seconds)
        return measure(plan, 1)[0]["key_frames_per_s"]


def clients_for(key_frames_per_s: float) -> tuple[int, float]:
    """How many clients at which rate; a gateway picks at most eight a second of each."""
    clients = max(2, round(key_frames_per_s / 5))
    return clients, key_frames_per_s / clients


def overload(recording, capacity: float, args: argparse.Namespace) -> dict[str, dict]:
    rows = {}
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder), stub_ms=args.stub_ms) as crew:
        for share in (0.5, 1.0, 1.5, 3.0):
            clients, rate = clients_for(share * capacity)
            plan = Plan(crew.url, shipped()[0].id, (recording,), rate, clients, RAMP_S, args.seconds)
            longest, summary = watched(crew, plan)
            gateway = summary["roles"]["gateway"]
            rows[f"{share:.0%}"] = {
                "clients": clients, "due_per_s": round(clients * rate, 1), "answers_per_s": summary["key_frames_per_s"],
                **{f"{name}_ms": value for name, value in summary["key_frame_round_trip_ms"].items()},
                "lost": summary["lost"], "longest_queue": longest, "gateway_rss_mb": gateway["rss_mb"],
            }
    return rows


def watched(crew: Crew, plan: Plan) -> tuple[int, dict]:
    """The longest that the queue was at any second's end, and the load test's summary."""
    lengths = [0]
    with redis.Redis.from_url(crew.redis_url) as connection:
        queue = f"rq:queue:{topology.stylize_queue('edge')}"
        summary, _ = measure(plan, 1, on_second=lambda *_: lengths.append(connection.llen(queue)))
    return max(lengths), summary


def fairness(args: argparse.Namespace) -> tuple[float, list[int]]:
    """Jain's index, and the answers of the greedy client and of the normal ones; one worker of 60 ms for 8 clients."""
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder), stub_ms=2 * args.stub_ms) as crew:
        answers = asyncio.run(beside(crew.url, args.seconds))
    index = jain(answers)
    print(f"\nOne greedy client beside seven: {answers}, Jain's index {index}\n")
    return index, answers


async def beside(url: str, seconds: float) -> list[int]:
    """Answers of one greedy client and seven normal ones."""
    greedy, normal = record(None, GREEDY, fps=60, frames=120), record(None, NORMAL)
    plan = Plan(url, shipped()[0].id, (normal,), 2, 7, RAMP_S, seconds, start_s=time.monotonic())
    begging = Plan(url, shipped()[0].id, (greedy,), 8, 1, RAMP_S, seconds, start_s=plan.start_s)
    crowds, outcome = [Crowd(begging, [0]), Crowd(plan, range(7))], Outcome()
    await asyncio.gather(*(crowd.run(lambda report: outcome.add([report])) for crowd in crowds))
    members: list[Member] = [member for crowd in crowds for member in crowd.members.values()]
    return [member.answers for member in members]


def jain(shares: list[int]) -> float:
    """1 where all have the same, 1/n where one has all."""
    squares = sum(share**2 for share in shares)
    return round(sum(shares) ** 2 / (len(shares) * squares), 3) if squares else 0.0


def print_table(first: str, rows: dict[str, dict]) -> None:
    names = list(next(iter(rows.values())))
    print(f"\n{first:8}" + "".join(f"{name:>16}" for name in names))
    for title, row in rows.items():
        print(f"{title:8}" + "".join(f"{row[name]!s:>16}" for name in names))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stub-ms", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--real", action="store_true", help="the shipped model instead of the stub; part 1 only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
