"""Measures what stays behind after hours of steady load, and of sessions that come and go:

    uv run python tests/benchmarks/soak.py [--hours 2] [--clients 4]

A gateway with a stub worker of 30 ms; a few clients stay, others come one by one for their first look and go. Memory
of each part is read every few seconds; after a tenth of the time, in which all warms up, a line is fitted through it.
The promise: no descriptor and no thread more, and at most 5 MB an hour. The last line is JSON.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from churn import sessions, visit  # noqa: E402

from clients.load.recording import record  # noqa: E402
from clients.load.virtual_clients import Plan, VirtualClients  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.system.crew import Crew  # noqa: E402

PARTS = ("gateway", "worker 0", "redis")
SMALL, WARM_UP_SHARE = (128, 72), 0.1


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder)) as crew:
        result = asyncio.run(soak(crew, 3600 * args.hours, args.clients, every_s=min(5.0, 36 * args.hours)))
    for name, value in result.items():
        print(f"{name:28}{value}")
    print(json.dumps(result))


async def soak(crew: Crew, seconds: float, clients: int, *, every_s: float) -> dict[str, float]:
    """What grew: MB an hour of each part, and descriptors and threads of the gateway, idle before and afterwards."""
    recording = record(None, SMALL, fps=10)
    await visit(crew.url, recording)
    before = await held(crew)
    plan = Plan(crew.url, shipped()[0].id, (recording,), 2, clients, 1.0, seconds, start_s=time.monotonic())
    group, reports, samples, visits = VirtualClients(plan, range(clients)), [], [], 0
    load = asyncio.create_task(group.run(reports.append))
    started_s = time.monotonic()
    while time.monotonic() - started_s < seconds:
        visits += await visit(crew.url, recording)
        if not samples or time.monotonic() - samples[-1][0] >= every_s:
            samples.append((time.monotonic(), *(crew.process(part).memory_info().rss / 1e6 for part in PARTS)))
    await load
    after = await held(crew)
    return {
        "hours": round(seconds / 3600, 3),
        "visits": visits,
        "lost": sum(report.lost for report in reports),
        **{f"{part}_mb_an_hour": slope for part, slope in zip(PARTS, slopes(samples), strict=True)},
        **{f"{name}_delta": after[name] - before[name] for name in before},
    }


def slopes(samples: list[tuple[float, ...]]) -> list[float]:
    """The slope per hour of each column after the first one, which has seconds."""
    times_s, *columns = np.array(samples[round(WARM_UP_SHARE * len(samples)) :]).T
    return [round(float(np.polyfit(times_s - times_s[0], column, 1)[0]) * 3600, 2) for column in columns]


async def held(crew: Crew) -> dict[str, int]:
    """What the gateway holds once nobody is there any more."""
    while await asyncio.to_thread(sessions, crew):
        await asyncio.sleep(0.2)
    await asyncio.sleep(1)
    gateway = crew.process("gateway")
    return {"fds": gateway.num_fds(), "threads": gateway.num_threads()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=4, help="who stay (4)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
