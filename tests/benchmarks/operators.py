"""Measures the processor time that monitoring costs a gateway with 20 streams.

uv run python tests/benchmarks/operators.py
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent.parent))

from prometheus_client import generate_latest

from pipeline.capacity.giving_way import Concessions
from pipeline.monitoring.status import SAMPLES
from pipeline.monitoring.stream_stats import StreamStats
from support.services.redis_process import RedisServer
from support.webrtc.peers import Running

STREAMS = 20
FPS = 30


class Silent(SimpleNamespace):
    """A session as far as operators see one."""

    async def count_bytes(self) -> None:
        self.stats.network(0, 0)

    def concede(self, concessions: Concessions) -> None:
        """A real session sends a message when the rate changes."""


def cpu_s(work: Callable[[], object], times: int) -> float:
    """Processor seconds of one call."""
    start_s = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start_s) / times


async def sample_s(running: Running, times: int) -> float:
    """Processor seconds of one sample, its thread's included."""
    start_s = time.process_time()
    for _ in range(times):
        await running.gateway.watch.sample()
    return (time.process_time() - start_s) / times


async def measure(redis_url: str, web_root: Path) -> dict[str, float]:
    async with Running(redis_url, web_root) as running:
        gateway = running.gateway
        for number in range(STREAMS):
            stats = StreamStats(gateway.metrics, number=number, shown_s=time.monotonic())
            gateway._sessions._sessions[f"{number}"] = Silent(
                stats=stats,
                style_id="",
                began_s=0.0,
                picture_size=(640, 360),
                in_flight=0,
                is_paused=False,
                close=lambda: asyncio.sleep(0),
            )
        sample = await sample_s(running, SAMPLES)
        return {
            "frame_us": 1e6 * cpu_s(stats.frame, 100_000),
            "tick_ms": 1e3 * sample,
            "metrics_ms": 1e3 * cpu_s(lambda: generate_latest(gateway.metrics.registry), 50),
            "status_json_ms": 1e3 * cpu_s(lambda: json.dumps(gateway.watch.board.state()), 50),
        }


def main() -> None:
    with TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            result = asyncio.run(measure(server.url, Path(folder)))
        finally:
            server.stop()
    result["share_of_a_core"] = (FPS * STREAMS * result["frame_us"] / 1e3 + result["tick_ms"]) / 1e3
    print("a frame counted    {frame_us:6.2f} µs\na sample, one a second {tick_ms:6.2f} ms".format(**result))
    print("/metrics           {metrics_ms:6.2f} ms\n/status.json       {status_json_ms:6.2f} ms".format(**result))
    print(json.dumps({name: round(value, 5) for name, value in result.items()}))


if __name__ == "__main__":
    main()
