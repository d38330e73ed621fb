"""Measures the whole system on this machine: its start, the round trip, the gateway's processor time, and the page.

    uv run python tests/benchmarks/live.py [--clip FILE] [--seconds 20]

Without --clip a panned public-domain photo is the camera (640x360, 30 frames a second). The last line is JSON.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.headless.cli import stream  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.browsers.chromium import chromium, until, write_panned_photo  # noqa: E402
from support.system.up import Up  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="video to stream instead of the panned photo")
    parser.add_argument("--seconds", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = args.clip or write_panned_photo(folder / "clip.y4m", frames=30 * args.seconds)
        camera = write_panned_photo(folder / "camera.y4m")
        result = asyncio.run(measure(folder, clip, camera, args.seconds))
    for name, value in result.items():
        print(f"{name:32} {value}")
    print(json.dumps(result))


async def measure(folder: Path, clip: Path, camera: Path, seconds: int) -> dict:
    async with running(folder / "stock", MVS_MARKER_JITTER_BUFFER="off") as up:
        stock = await headless(up, clip, folder / "stock.mp4")
    started_s = time.monotonic()
    async with running(folder / "up") as up:
        result = {"up_ready_s": round(time.monotonic() - started_s, 1)}
        result |= await headless(up, clip, folder / "out.mp4")
        result |= {f"stock_jitter_buffer_{name}": stock[name] for name in stock if name.startswith("round_trip")}
        return result | await page(up, camera, seconds)


@asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[Up]:
    folder.mkdir()
    up = Up(folder, environment={**os.environ, **settings})
    try:
        await asyncio.to_thread(up.wait_ready)
        yield up
    finally:
        await asyncio.to_thread(up.stop)


async def headless(up: Up, clip: Path, output: Path) -> dict:
    """One client as fast as its camera; the gateway's CPU time over the same seconds."""
    gateway = psutil.Process(up.part("gateway").pid)
    before, started_s = gateway.cpu_times(), time.monotonic()
    summary = await stream(up.url, clip, shipped()[0].id, output)
    after, seconds = gateway.cpu_times(), time.monotonic() - started_s
    used_s = after.user + after.system - before.user - before.system
    return {
        "key_frames": summary.key_frames,
        "round_trip_p50_ms": summary.round_trip_p50_ms,
        "round_trip_p95_ms": summary.round_trip_p95_ms,
        "client_fps": round(summary.frames / summary.seconds, 1),
        "gateway_core_percent": round(100 * used_s / seconds, 1),
    }


async def page(up: Up, camera: Path, seconds: int) -> dict:
    """Chromium on SwiftShader, on the same cores as everything else."""
    async with chromium(camera) as browser:
        tab = await browser.new_page(viewport={"width": 1280, "height": 800})
        await tab.goto(f"{up.url}/?source=camera&style={shipped()[0].id}&autostart=1")
        await until(tab, "window.mvstylizer?.state === 'live'")
        await asyncio.sleep(seconds)
        stats = await tab.evaluate("mvstylizer.stats")
    return {
        "page_fps": round(stats["fps"], 1),
        "page_key_frame_age_ms": round(stats["keyFrameAgeMs"]),
        "page_round_trip_ms": round(stats["roundTripMs"]),
    }


if __name__ == "__main__":
    main()
