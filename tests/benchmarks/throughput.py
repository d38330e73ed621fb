"""Key frames a second through the real queue: uv run python tests/benchmarks/throughput.py [--streams 4] [--seconds 15]

A Redis server and one `mvstylizer stylize` process of its own; every stream has two key frames (512x288, JPEG) in
flight, as a gateway allows. A key frame's `stylize_ms` is the time from its decoded picture to its answer, also while
the other key frames of its batch are worked on. The worker's own memory is what it shares with nobody; the rest of its
RSS is files, torch's libraries above all. The last line is JSON.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import psutil
import redis

from pipeline.contract.errors import RedisUnavailable
from pipeline.contract.image_codec import decode_image, encode_jpeg
from pipeline.contract.messages import KeyFrame, StylizedFrame
from pipeline.queues.broker import GatewayBroker
from pipeline.styles.catalog import shipped
from workers.process import redis_server

EDGE, GATEWAY = "benchmark", "benchmark"
SIZE = (512, 288)
IN_FLIGHT = 2
#: Answers before the clock starts: RQ's first jobs import and connect.
IGNORED = 20
READY_S = 60


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        url, server = redis_command(Path(folder))
        worker_command = [sys.executable, "-m", "workers", "stylize", "--redis", url, "--edge", EDGE]
        with running(server), running(worker_command) as worker:
            result = asyncio.run(measure(url, psutil.Process(worker.pid), args.streams, args.seconds))
    for name, value in result.items():
        print(f"{name:28} {value}")
    print(json.dumps(result))


async def measure(url: str, role: psutil.Process, streams: int, seconds: float) -> dict[str, float]:
    broker = GatewayBroker(url, edge_id=EDGE, gateway_id=GATEWAY)
    await asyncio.to_thread(wait_ready, broker)
    worker = role.children()[0]  # the one that it forked
    answers, cpu_s, start_s = [], 0.0, 0.0
    async with aclosing(answered(broker, streams)) as arriving:
        async for answer in arriving:
            answers.append(answer)
            if len(answers) == IGNORED:
                cpu_s, start_s = cpu_time_s(worker), time.monotonic()
            if len(answers) > IGNORED and time.monotonic() - start_s > seconds:
                break
    wall_s, cpu_s = time.monotonic() - start_s, cpu_time_s(worker) - cpu_s
    broker.close()
    counted, memory = answers[IGNORED:], worker.memory_full_info()
    assert not any(answer.error for answer in counted)
    return {
        "streams": streams,
        "key_frames": len(counted),
        "key_frames_per_s": round(len(counted) / wall_s, 1),
        "stylize_ms": round(sum(answer.stylize_ms for answer in counted) / len(counted), 1),
        "decode_ms": round(sum(answer.decode_ms for answer in counted) / len(counted), 1),
        "worker_cpu_ms": round(1e3 * cpu_s / len(counted), 1),
        "worker_rss_mb": round(memory.rss / 1e6),
        "worker_own_mb": round(memory.uss / 1e6),
    }


async def answered(broker: GatewayBroker, streams: int) -> AsyncIterator[StylizedFrame]:
    """Answers for ever; each is followed by its stream's next key frame."""
    picture, ids = [key_frame_jpeg(style.jpeg) for style in shipped()], count()

    def submit(stream_id: str) -> None:
        frame_id = next(ids) % 65536
        broker.submit(KeyFrame(GATEWAY, stream_id, frame_id, shipped()[0].id, False, picture[frame_id % len(picture)]))

    for index in range(streams * IN_FLIGHT):
        submit(str(index % streams))
    async with aclosing(broker.answers()) as answers:
        async for answer in answers:
            submit(answer.stream_id)
            yield answer


def key_frame_jpeg(photo: bytes) -> bytes:
    return encode_jpeg(np.ascontiguousarray(cv2.resize(decode_image(photo), SIZE, interpolation=cv2.INTER_AREA)))


def cpu_time_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def wait_ready(broker: GatewayBroker) -> None:
    for _ in range(READY_S * 10):
        try:
            if broker.worker_ready():
                return
        except redis.ConnectionError:  # Redis itself is still starting
            pass
        time.sleep(0.1)
    raise RedisUnavailable(f"No worker was ready within {READY_S} s.")


def redis_command(folder: Path) -> tuple[str, list[str]]:
    """Its URL, and how to start it."""
    port = redis_server.free_port()
    return f"redis://127.0.0.1:{port}/0", redis_server.command(redis_server.find_server(), port=port, folder=folder)


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15)
    return parser.parse_args()


if __name__ == "__main__":
    main()
