"""Measures the whole system over a bad network, emulated in user space between one client and the gateway:

    uv run python tests/benchmarks/impaired.py [--clip FILE] [--seconds 20]

Delay and loss hold each way; the outage is one second in the middle. Without --clip a panned public-domain photo is the
camera (640x360, 30 frames a second). The client's display is local: fps and longest gap say whether it ever waited.
Round trip and age count from capture, so the age grows by an interval until the next answer. The last line is JSON.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.headless.camera import CameraFrame, ClipCamera  # noqa: E402
from clients.media.clip import Clip  # noqa: E402
from clients.net.connection import Connection  # noqa: E402
from pipeline.contract.control import GatewayMessage, KeyFramePicked  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.browsers.chromium import write_panned_photo  # noqa: E402
from support.system.up import Up  # noqa: E402
from support.webrtc.impairment import Impaired  # noqa: E402

#: Name -> (delay each way in s, loss each way, whether there is an outage).
PATHS = {
    "clean": (0.0, 0.0, False),
    "200 ms": (0.1, 0.0, False),
    "200 ms, 3 %": (0.1, 0.03, False),
    "200 ms, 3 %, outage": (0.1, 0.03, True),
}
OUTAGE_AFTER_S, OUTAGE_S = 5.0, 1.0
LINGER_S = 2.0  # so that the last answers can come


class Watcher:
    """Records what a viewer would notice."""

    def __init__(self) -> None:
        self.shown_s: dict[int, float] = {}
        self.round_trips_ms: list[float] = []
        self.ages_ms: list[float] = []
        self.announced = 0
        self._newest_s: float | None = None

    def show(self, frame: CameraFrame) -> None:
        self.shown_s[frame.frame_id] = time.monotonic()
        if self._newest_s is not None:
            self.ages_ms.append((time.monotonic() - self._newest_s) * 1e3)

    def arrive(self, header: dict, grid: np.ndarray) -> None:
        captured_s = self.shown_s[header["frame_id"]]
        self.round_trips_ms.append((time.monotonic() - captured_s) * 1e3)
        self._newest_s = max(self._newest_s or 0.0, captured_s)

    def hear(self, message: GatewayMessage) -> None:
        self.announced += isinstance(message, KeyFramePicked)


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = args.clip or write_panned_photo(folder / "clip.y4m", frames=30 * args.seconds)
        result = asyncio.run(measure(folder, clip))
    columns = list(next(iter(result.values())))
    print(f"{'path':21}" + "".join(f"{column:>20}" for column in columns))
    for name, row in result.items():
        print(f"{name:21}" + "".join(f"{row[column]!s:>20}" for column in columns))
    print(json.dumps(result))


async def measure(folder: Path, clip: Path) -> dict[str, dict]:
    (folder / "up").mkdir()
    up = Up(folder / "up", environment=dict(os.environ))
    try:
        await asyncio.to_thread(up.wait_ready)
        await session(up, clip, 0.0, 0.0, False)  # so that slow first times do not count
        return {name: await session(up, clip, *path) for name, path in PATHS.items()}
    finally:
        await asyncio.to_thread(up.stop)


async def session(up: Up, clip: Path, delay_s: float, loss: float, outage: bool) -> dict[str, float]:
    received, unreadable = counted(up)
    async with Impaired(up.url, delay_s=delay_s, loss=loss) as path:
        watcher, source = Watcher(), Clip(clip)
        camera = ClipCamera(source, watcher.show)
        connection = Connection(path.url, on_grid=watcher.arrive, on_control=watcher.hear)
        ended = asyncio.Event()
        camera.on("ended", ended.set)
        await connection.open(camera, size=camera.sent_size, style=shipped()[0].id)
        if outage:
            await interrupt(path, OUTAGE_AFTER_S)
        await ended.wait()
        await asyncio.sleep(LINGER_S)
        await connection.close()
        await camera.close()
        source.close()
    after = counted(up)
    return {
        **report(watcher),
        "frames not decoded": round(len(watcher.shown_s) - (after[0] - received)),
        "strips refused": round(after[1] - unreadable),
        "datagrams lost": path.lost,
    }


async def interrupt(path: Impaired, after_s: float) -> None:
    await asyncio.sleep(after_s)
    path.outage = True
    await asyncio.sleep(OUTAGE_S)
    path.outage = False


def report(watcher: Watcher) -> dict[str, float]:
    shown_s = np.array(list(watcher.shown_s.values()))
    return {
        "client fps": round((len(shown_s) - 1) / (shown_s[-1] - shown_s[0]), 1),
        "longest gap ms": round(1e3 * float(np.diff(shown_s).max())),
        "key frames": watcher.announced,
        "answers": len(watcher.round_trips_ms),
        **{f"round trip p{p} ms": round(float(np.percentile(watcher.round_trips_ms, p))) for p in (50, 95)},
        **{f"age p{p} ms": round(float(np.percentile(watcher.ages_ms, p))) for p in (50, 95)},
    }


def counted(up: Up) -> tuple[float, float]:
    """Frames that the gateway decoded so far, and those of them whose strip it refused."""
    with urllib.request.urlopen(f"{up.url}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()
    found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    return found["mvs_frames_received_total"], found.get('mvs_frames_dropped_total{reason="strip"}', 0.0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="video to stream instead of the panned photo")
    parser.add_argument("--seconds", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    main()
