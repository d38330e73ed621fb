"""Measures how many streams one gateway carries on one core:

    uv run python tests/benchmarks/capacity.py [--clients 80] [--rate auto] [--seconds 30] [--clip FILE ...] [--free]

The gateway has one core of its own, all others the rest; --free lets it use all. Workers are stubs of 30 ms that need
no processor, so that what is beyond 30 ms is everything but the model. First one client alone, then all. With `--rate
auto` the gateway decides when looks are renewed and how many frames it wants; a number asks for so many looks a second
of each client in open loop, and the gateway's budget is then without limit.
Targets: 80 streams of 640x360, shown at 30 frames a second with none lost on the client, loop lag p99 <= 20 ms, looks
within 100 and 250 ms (p50, p95), and an uplink of at most 0.35 Mbit/s a stream. A gateway cannot be judged by a run in
which much of its core went elsewhere. The last line is JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.load import cli as load_cli  # noqa: E402
from clients.load.cli import measure, print_summary, show_progress  # noqa: E402
from clients.load.recording import Recording, record  # noqa: E402
from clients.load.virtual_clients import Plan  # noqa: E402
from pipeline.contract.settings import Settings  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.system.crew import Crew  # noqa: E402

STUB_MS = 30
SIZE, FPS = (640, 360), 30
#: The most looks a second of a stream for which there are workers.
MOST_LOOKS = 2
#: Clients that come in a second.
ARRIVALS_PER_S = 5


def main() -> None:
    args = arguments()
    recordings = tuple(record(clip, SIZE, fps=FPS) for clip in args.clip or [None])
    cores = os.sched_getaffinity(0)
    gateway = set() if args.free or len(cores) < 2 else {min(cores)}
    workers = 1 + int(
        args.clients * max(MOST_LOOKS, args.rate or 0) * STUB_MS / 500
    )  # so that their queue is not measured
    parts = ["redis", *(f"worker {n}" for n in range(workers))]
    pinned = {"gateway": gateway, **{part: cores - gateway for part in parts}} if gateway else {}
    os.sched_setaffinity(0, cores - gateway)  # the load generator
    with (
        tempfile.TemporaryDirectory() as folder,
        Crew(Path(folder), workers=workers, stub_ms=STUB_MS, cores=pinned, **settings(args.rate)) as crew,
    ):
        alone = run(crew.url, recordings, 1, args.rate, min(15.0, args.seconds))
        before_s = elsewhere_s(crew, gateway or cores), time.monotonic()
        together = run(crew.url, recordings, args.clients, args.rate, args.seconds)
        after_s = elsewhere_s(crew, gateway or cores), time.monotonic()
    print_summary(together)
    elsewhere = 100 * (after_s[0] - before_s[0]) / (after_s[1] - before_s[1])
    result = figures(alone, together) | {"elsewhere_core_percent": round(elsewhere, 1)}
    for name, value in result.items():
        print(f"{name:34}{value}")
    print(json.dumps(result))


def settings(rate: float | None) -> dict[str, str]:
    """A gateway that gives way has its usual budget."""
    return {"MVS_CPU_BUDGET": str(Settings().cpu_budget)} if rate is None else {}


def run(url: str, recordings: tuple[Recording, ...], clients: int, rate: float | None, seconds: float) -> dict:
    plan = Plan(url, shipped()[0].id, recordings, rate, clients, clients / ARRIVALS_PER_S, seconds)
    return measure(plan, 1, on_second=show_progress)[0]


def elsewhere_s(crew: Crew, cores: set[int]) -> float:
    """The processor time of these cores that other processes here, and the host, took from the gateway."""
    taken = 0.0
    for core, times in enumerate(psutil.cpu_times(percpu=True)):
        taken += (sum(times) - times.idle - times.iowait - times.guest - times.guest_nice) * (core in cores)
    gateway = crew.process("gateway").cpu_times()
    return taken - gateway.user - gateway.system


def figures(alone: dict, together: dict) -> dict:
    trip, gateway = together["key_frame_round_trip_ms"], together["roles"]["gateway"]
    generator = together["roles"]["generator"]["core_percent"]
    return {
        "streams": together["clients"],
        "shown_fps": together["shown_fps"],
        "sent_fps": together["sent_fps"],
        "uplink_mbit_per_s": together["uplink_mbit_per_s"],
        "looks_per_s_each": together["looks_per_s"]["mean"],
        "jain": together["looks_per_s"]["jain"],
        "loop_lag_p99_ms": together["stages"]["event loop lag"]["p99_ms"],
        "gateway_core_percent": gateway["core_percent"],
        "gateway_core_percent_a_stream": round(gateway["core_percent"] / together["clients"], 2),
        "gateway_rss_mb": gateway["rss_mb"],
        "generator_share_of_gateway": round(generator / gateway["core_percent"], 2),
        "late_frames": together["late_frames"],
        "lost": together["lost"],
        **{f"round_trip_{name}_ms": value for name, value in trip.items()},
        "alone_round_trip_p50_ms": alone["key_frame_round_trip_ms"]["p50"],
        "alone_not_the_model_p50_ms": round(alone["key_frame_round_trip_ms"]["p50"] - STUB_MS, 1),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=80)
    parser.add_argument("--rate", type=load_cli.rate, default=None, help="looks a second of each client (auto)")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--clip", type=Path, nargs="+", default=[])
    parser.add_argument("--free", action="store_true", help="let the gateway use all cores")
    return parser.parse_args()


if __name__ == "__main__":
    main()
