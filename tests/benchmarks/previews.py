"""What previews cost, and how long key frames wait for them: uv run python tests/benchmarks/previews.py [--seconds 15]

One worker with the shipped model answers ten key frames a second. In turn there are no previews, and always a job for
eight styles in their queue, which is far more than a gateway lets in. Prints a table; the last line is JSON.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from pipeline.contract.image_codec import encode_jpeg  # noqa: E402
from pipeline.contract.messages import KeyFrame, PreviewGrids, PreviewPicture  # noqa: E402
from pipeline.gateway.previews import PICTURE_SIDE_PX  # noqa: E402
from pipeline.key_frames.picker import KEY_FRAME_SIDE_PX, shrunk  # noqa: E402
from pipeline.queues.broker import GatewayBroker  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.browsers.chromium import photo  # noqa: E402
from support.services.redis_process import RedisServer  # noqa: E402

KEY_FRAME_S = 0.1
ROUNDS = 2
STYLES = [style.id for style in shipped()][: PreviewPicture.MOST_STYLES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15, help="of each turn")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = RedisServer(Path(name))
        server.start()
        command = [sys.executable, "-m", "workers", "stylize", "--redis", server.url]
        worker = subprocess.Popen(command, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
        try:
            result = asyncio.run(measure(server.url, args.seconds))
        finally:
            worker.terminate()
            worker.wait()
            server.stop()
    for name, row in result.items():
        print(f"{name:20} {row}")
    print(json.dumps(result))


async def measure(url: str, seconds: float) -> dict[str, dict[str, float]]:
    broker = GatewayBroker(url, edge_id="edge", gateway_id="gateway")
    while not broker.worker_ready():
        await asyncio.sleep(0.1)
    run = Run(broker)
    reading = asyncio.create_task(run.read())
    await run.turn(5.0, previews=True)  # the styles' statistics are computed
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for previews in times:
            times[previews] += await run.turn(seconds, previews=previews)
    reading.cancel()
    broker.close()
    return {
        "without previews": row(times[False]),
        "with previews": row(times[True]),
        "previews": {"jobs": run.previews, "bytes": round(float(np.mean(run.sizes or [0])))},
    }


def row(times: list[float]) -> dict[str, float]:
    p50, p95, worst = np.percentile(times, [50, 95, 100]) * 1000
    return {"p50_ms": round(p50, 1), "p95_ms": round(p95, 1), "worst_ms": round(worst, 1), "key_frames": len(times)}


class Run:
    """A gateway that sends key frames and previews, and reads the answers."""

    def __init__(self, broker: GatewayBroker) -> None:
        self._broker, self._frame_id = broker, 0
        self._sent_s: dict[int, float] = {}
        self._times: list[float] = []
        self._number = self._answered = self.previews = 0
        self.sizes: list[int] = []
        whole = photo(640, 360)
        self._key_frame = encode_jpeg(shrunk(whole, KEY_FRAME_SIDE_PX))
        self._picture = encode_jpeg(shrunk(whole, PICTURE_SIDE_PX))

    async def read(self) -> None:
        async with aclosing(self._broker.answers()) as answers:
            async for answer in answers:
                if isinstance(answer, PreviewGrids):
                    self._answered, self.previews = answer.number, self.previews + 1
                    self.sizes.append(len(answer.grids))
                else:
                    self._times.append(time.monotonic() - self._sent_s.pop(answer.frame_id))

    async def turn(self, seconds: float, *, previews: bool) -> list[float]:
        """Return how long each key frame took, in seconds."""
        self._times = []
        next_s = time.monotonic()
        until_s = next_s + seconds
        while time.monotonic() < until_s:
            if previews and self._answered == self._number:
                self._number += 1
                ids = ",".join(STYLES)
                picture = PreviewPicture("gateway", "stream", self._number, 0, ids, self._picture)
                if not await asyncio.to_thread(self._broker.submit_previews, [picture]):
                    self._answered = self._number
            if time.monotonic() >= next_s:
                next_s += KEY_FRAME_S
                self._frame_id = (self._frame_id + 1) % 65_536
                self._sent_s[self._frame_id] = time.monotonic()
                frame = KeyFrame("gateway", "stream", self._frame_id, STYLES[0], False, self._key_frame)
                await asyncio.to_thread(self._broker.submit, frame)
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.5)
        return self._times


if __name__ == "__main__":
    main()
