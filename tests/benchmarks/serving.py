"""Key frames' round trip while the trainer rests and while it works, in one run of everything; then a worker's death.

    uv run python tests/benchmarks/serving.py [--seconds 40]

A panned public-domain photo is the camera (640x360, 30 frames a second). In the end the stylize worker is killed with
signal 9: how long until its successor answers, with the weights of the cloud's newest global? The last line is JSON.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.headless.cli import Summary, stream  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.browsers.chromium import write_panned_photo  # noqa: E402
from support.system.up import Up  # noqa: E402
from support.webrtc.peers import Client, until  # noqa: E402

#: The trainer loads torch and learns its first images in this time.
WARM_UP_S = 20
#: More than it learns in the time of the measurement: it never rests, and the model stays the same.
NEVER = "1000000"
#: A worker that was killed is back long before.
PATIENCE_S = 60.0
#: What it answered before arrives in this time; no new one has started by then.
UNDER_WAY_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=40)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = measure(Path(name), args.seconds)
    for key, value in result.items():
        print(f"{key:32} {value}")
    print(json.dumps(result))


def measure(folder: Path, seconds: int) -> dict[str, float]:
    clip = write_panned_photo(folder / "clip.y4m", frames=30 * seconds)
    warm_up = write_panned_photo(folder / "warm_up.y4m", frames=30 * WARM_UP_S)
    (folder / "up").mkdir()
    up = Up(folder / "up", environment={**os.environ, "MVS_TRAIN_IMAGES": NEVER})
    try:
        up.wait_ready()
        view(up, warm_up, folder, share_frames=False)
        resting = view(up, clip, folder, share_frames=False)
        view(up, warm_up, folder, share_frames=True)
        before_s = busy_s(up)
        training = view(up, clip, folder, share_frames=True)
        share = (busy_s(up) - before_s) / training.seconds
        restored_s = asyncio.run(killed(up))
    finally:
        up.stop()
    return {
        "resting_p50_ms": resting.round_trip_p50_ms,
        "resting_p95_ms": resting.round_trip_p95_ms,
        "training_p50_ms": training.round_trip_p50_ms,
        "training_p95_ms": training.round_trip_p95_ms,
        "p95_ratio": round(training.round_trip_p95_ms / resting.round_trip_p95_ms, 3),
        "trainer_share_of_a_core": round(share, 3),
        "key_frames": training.key_frames,
        "restored_after_kill_s": round(restored_s, 2),
    }


def view(up: Up, clip: Path, folder: Path, *, share_frames: bool) -> Summary:
    output = folder / "out.mp4"
    return asyncio.run(stream(up.url, clip, shipped()[0].name, output, share_frames=share_frames))


async def killed(up: Up) -> float:
    """Seconds from the worker's death to its successor's first answer, the trainer at work."""
    client, worker = Client(up.url), up.worker()
    await client.open()
    await until(lambda: client.headers, PATIENCE_S)
    worker.send_signal(signal.SIGKILL)
    worker.wait(PATIENCE_S)
    killed_s = time.monotonic()
    await asyncio.sleep(UNDER_WAY_S)
    client.headers.clear()
    await until(lambda: client.headers, PATIENCE_S)
    restored_s = time.monotonic() - killed_s
    await client.close()
    return restored_s


def busy_s(up: Up) -> float:
    """Processor time of the trainer so far."""
    times = psutil.Process(up.part("train").pid).cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
