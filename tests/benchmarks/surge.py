"""What a surge of clients does to those who are there already, and how soon they have what they had before:

    uv run python tests/benchmarks/surge.py [--steady 8] [--surge 52] [--stub-ms 30] [--seconds 15] [--clip CLIP ...]

Steady clients stay; a surge of others comes after --seconds, stays for --seconds and leaves. The gateway decides when
looks are renewed. Without --stub-ms the worker has the shipped model. Asked: clients show 30 frames a second all the
time, nothing that was begun is lost, all clients are served alike while it is full (Jain's index >= 0.9), and the
steady ones' looks are as young as before within 5 s of the surge's end. The last line is JSON.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.load.cli import jain  # noqa: E402
from clients.load.open_loop import PATIENCE_S  # noqa: E402
from clients.load.recording import Recording, record  # noqa: E402
from clients.load.virtual_clients import SETTLE_S, LoadCounters, Plan, VirtualClients  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from pipeline.webrtc import patches  # noqa: E402
from support.system.crew import Crew  # noqa: E402

SIZE, FPS = (640, 360), 30
#: Clients that come in a second.
ARRIVALS_PER_S = 5
#: Looks are as young as before when their median age is within this of what it was.
AS_BEFORE, AS_BEFORE_S = 1.2, 0.1


@dataclass(slots=True)
class Group:
    """Some clients, and what each second was like for them."""

    clients: VirtualClients
    seconds: list[tuple[float, LoadCounters]] = field(default_factory=list)

    async def run(self) -> None:
        await self.clients.run(lambda counters: self.seconds.append((time.monotonic(), counters)))

    def answers(self) -> list[int]:
        return [client.answers for client in self.clients.clients.values()]

    def between(self, begin_s: float, end_s: float) -> list[LoadCounters]:
        return [counters for at_s, counters in self.seconds if begin_s < at_s <= end_s]


def main() -> None:
    args = arguments()
    recordings = tuple(record(clip, SIZE, fps=FPS) for clip in args.clip or [None])
    with (
        tempfile.TemporaryDirectory() as folder,
        Crew(Path(folder), stub_ms=args.stub_ms, MVS_CPU_BUDGET="0.8") as crew,
    ):
        with patches.installed():
            result = asyncio.run(measured(crew.url, recordings, args))
    for name, value in result.items():
        print(f"{name:34}{value}")
    print(json.dumps(result))


async def measured(url: str, recordings: tuple[Recording, ...], args: argparse.Namespace) -> dict:
    begin_s, style = time.monotonic(), shipped()[0].id
    surge_ramp_s = args.surge / ARRIVALS_PER_S
    lasting_s = 3 * args.seconds + surge_ramp_s + SETTLE_S
    plan = Plan(url, style, recordings, None, args.steady, args.steady / ARRIVALS_PER_S, lasting_s, start_s=begin_s)
    surge_s = plan.count_from_s + args.seconds
    visit = Plan(url, style, recordings, None, args.surge, surge_ramp_s, args.seconds, start_s=surge_s)
    steady = Group(VirtualClients(plan, range(args.steady)))
    visitors = Group(VirtualClients(visit, range(args.surge)))
    both = asyncio.gather(steady.run(), visitors.run())
    await asyncio.sleep(max(0.0, visit.count_from_s - time.monotonic()))
    before = steady.answers() + visitors.answers()
    await asyncio.sleep(max(0.0, visit.end_s - time.monotonic()))
    shares = [b - a for a, b in zip(before, steady.answers() + visitors.answers(), strict=True)]
    await both
    phases = {"before": (plan.count_from_s, surge_s), "full": (visit.count_from_s, visit.end_s)}
    found = {name: age_ms(steady.between(*span)) for name, span in phases.items()}
    everyone = [counters for group in (steady, visitors) for _, counters in group.seconds]
    shown = [c.shown for c in steady.between(plan.count_from_s + 1, plan.end_s)]
    return {
        "steady": args.steady,
        "surge": args.surge,
        "age_before_ms": found["before"],
        "age_full_ms": found["full"],
        "recovered_s": recovered_s(steady, visit.end_s + PATIENCE_S, found["before"]),
        "jain_full": jain(shares),
        "looks_per_s_full": round(sum(shares) / args.seconds, 1),
        "shown_fps_least": round(min(shown) / args.steady, 1),
        "lost": sum(counters.lost for counters in everyone),
        "refused": sum(counters.refused for counters in everyone),
        "failed": sum(counters.failed for counters in everyone),
    }


def age_ms(seconds: list[LoadCounters]) -> float | None:
    """The median age of the looks on show."""
    ages = [age_us for counters in seconds for age_us in counters.ages_us]
    return round(statistics.median(ages) / 1000, 1) if ages else None


def recovered_s(steady: Group, end_s: float, before_ms: float | None) -> float | None:
    """Seconds from when the surge has left to the first one whose looks are as young as before; None if none was."""
    for at_s, counters in steady.seconds:
        age = age_ms([counters])
        if at_s > end_s and age and before_ms and age <= AS_BEFORE * before_ms + 1000 * AS_BEFORE_S:
            return round(at_s - end_s, 1)
    return None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steady", type=int, default=8)
    parser.add_argument("--surge", type=int, default=52)
    parser.add_argument("--stub-ms", type=float, help="milliseconds of a stub in the place of the model")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--clip", type=Path, nargs="+", default=[], help="videos to send (a pan over a photo)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
