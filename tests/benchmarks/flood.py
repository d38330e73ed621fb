"""Measures what a flood of offers from one address costs the connected clients:

    uv run python tests/benchmarks/flood.py [--rate 1000] [--seconds 10] [--clients 4]

Clients at one address stream 640x360 at 30 frames a second with looks from a stub worker of 30 ms, first alone, then
while another process at another address sends honest offers in open loop. It never connects, so that all but its budget
are refused. Targets: a refusal takes <= 10 ms (p99) from when it was sent, the streams lose <= 1 % of their frames, and
descriptors are back 15 s after the flood. The last line is JSON.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.load.cli import measure  # noqa: E402
from clients.load.recording import record  # noqa: E402
from clients.load.virtual_clients import Plan  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from security.offers import body, offer_sdp  # noqa: E402
from support.system.crew import Crew  # noqa: E402

ATTACKER = "127.0.0.9"
CONNECTIONS = 32
#: Offers that are due while all connections wait for their answers; more are not sent, and counted.
WAITING = 1000
RAMP_S, SETTLE_S = 1, 15
#: Addresses of this machine have ten times the budget: so this one has what another machine has by default.
PER_ADDRESS = {"MVS_OFFERS_PER_S": "0.1"}


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder), workers=2, **PER_ADDRESS) as crew:
        plan = Plan(crew.url, shipped()[0].id, (record(None, (640, 360)),), 2, args.clients, RAMP_S, args.seconds)
        result = measured(crew, plan, args.rate)
    for name, value in result.items():
        print(f"{name:28}{value}")
    print(json.dumps(result))


def measured(crew: Crew, plan: Plan, rate: float, settle_s: float = SETTLE_S) -> dict:
    before = crew.process("gateway").num_fds()
    alone, _ = measure(plan, 1)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    flooder = multiprocessing.get_context("spawn").Process(
        target=flood, args=(crew.port, rate, plan.ramp_s + plan.seconds, sender)
    )
    flooder.start()
    receiver.recv()  # when it is ready, and begins
    flooded, _ = measure(plan, 1)
    found = receiver.recv()
    flooder.join()
    time.sleep(settle_s)
    return found | {
        "fps_alone": alone["fps"],
        "fps_flooded": flooded["fps"],
        "frames_lost_percent": round(100 * (1 - flooded["fps"] / alone["fps"]), 2),
        "looks_lost": flooded["lost"],
        "round_trip_p95_ms_alone": alone["key_frame_round_trip_ms"]["p95"],
        "round_trip_p95_ms_flooded": flooded["key_frame_round_trip_ms"]["p95"],
        "fds_delta": crew.process("gateway").num_fds() - before,
    }


def flood(port: int, rate: float, seconds: float, parent: Pipe) -> None:
    """A process's main: says that it is ready, floods, and sends what it found."""
    parent.send(None)
    parent.send(asyncio.run(Flood(port, rate, seconds).run()))


@dataclass
class Flood:
    port: int
    rate: float
    seconds: float
    refused_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    unsent: int = 0

    async def run(self) -> dict:
        content = body(await offer_sdp())
        head = f"POST /offer HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
        self._request = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        self._due: asyncio.Queue[None] = asyncio.Queue(WAITING)
        workers = [asyncio.create_task(self._connection()) for _ in range(CONNECTIONS)]
        begin_s = time.monotonic()
        while (elapsed_s := time.monotonic() - begin_s) < self.seconds:
            sent = sum(self.statuses.values()) + self._due.qsize() + self.unsent
            for _ in range(round(elapsed_s * self.rate) - sent):
                try:
                    self._due.put_nowait(None)
                except asyncio.QueueFull:
                    self.unsent += 1
            await asyncio.sleep(0.002)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        p50, p99 = np.percentile(self.refused_s or [np.nan], [50, 99]) * 1e3
        return {
            "offers": sum(self.statuses.values()),
            "offers_per_s": round(sum(self.statuses.values()) / self.seconds),
            "not_sent": self.unsent + self._due.qsize(),
            "refused": len(self.refused_s),
            "refused_p50_ms": round(p50, 1),
            "refused_p99_ms": round(p99, 1),
            "statuses": dict(self.statuses),
        }

    async def _connection(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(ATTACKER, 0))
                try:
                    while await self._offer(reader, writer):
                        pass
                finally:
                    writer.close()

    async def _offer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one offer; returns whether the connection can be used again."""
        await self._due.get()
        sent_s, status = time.monotonic(), 0
        try:
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            status, length = int(head.split()[1]), int(head.partition("content-length:")[2].split()[0])
            await reader.readexactly(length)
        finally:
            self.statuses[status] += 1
        if 400 <= status < 600:
            self.refused_s.append(time.monotonic() - sent_s)
        return "connection: close" not in head


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main()
