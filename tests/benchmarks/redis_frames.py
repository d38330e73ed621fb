"""Measures how long Redis takes for key frames and answers of 300 KB, in open loop:

    uv run python tests/benchmarks/redis_frames.py [--kb 300] [--rate 200] [--seconds 20]

A Redis as `up` starts it. Operations are due at fixed times, and counted from then, whatever was late before them: a
blob is set, taken, and a result of the same size added to a stream of 64, in turn. The promise: p99 <= 5 ms at 200 a
second. The last line is JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

import redis
from hdrh.histogram import HdrHistogram

sys.path.insert(0, str(Path(__file__).parent.parent))
from pipeline.contract import redis_keys  # noqa: E402
from support.services.redis_process import RedisServer  # noqa: E402

LONGEST_US = 10_000_000


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            result = measure(server.url, args.kb * 1000, args.rate, args.seconds)
        finally:
            server.stop()
    for name, value in result.items():
        print(f"{name:12}{value}")
    print(json.dumps(result))


def measure(url: str, size: int, rate: float, seconds: float) -> dict[str, float]:
    """Milliseconds from due time; `operations_per_s` is what was reached."""
    times, picture = HdrHistogram(1, LONGEST_US, 3), os.urandom(size)
    key, results = redis_keys.blob("stream", 0), redis_keys.results("gateway")
    with redis.Redis.from_url(url) as connection:
        operations = cycle(
            (
                lambda: connection.set(key, picture, px=redis_keys.KEY_FRAME_DEADLINE_MS),
                lambda: connection.getdel(key),
                lambda: connection.xadd(
                    results, {"frame": picture}, maxlen=redis_keys.RESULTS_MAXLEN, approximate=False
                ),
            )
        )
        started_s = time.perf_counter()
        for number in range(round(rate * seconds)):
            due_s = started_s + number / rate
            time.sleep(max(0.0, due_s - time.perf_counter()))
            next(operations)()
            times.record_value(max(1, round((time.perf_counter() - due_s) * 1e6)))
    reached = times.get_total_count() / (time.perf_counter() - started_s)
    percentiles = {f"p{p:g}_ms": round(times.get_value_at_percentile(p) / 1e3, 2) for p in (50, 95, 99, 99.9)}
    return {"operations_per_s": round(reached, 1), **percentiles}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kb", type=int, default=300, help="size of a frame (300)")
    parser.add_argument("--rate", type=float, default=200, help="operations due a second (200)")
    parser.add_argument("--seconds", type=float, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    main()
