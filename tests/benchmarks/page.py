"""The page beside everything it needs, on this machine: frames a second, the flow, and from the camera to the screen.

    uv run python tests/benchmarks/page.py [--clip FILE] [--seconds 20] [--modes grid residual warp off]

Headless Chromium draws on the CPU (SwiftShader) at 640x360; without --clip a panned public-domain photo is the camera.
`off` is the grid without flow. The delay runs from the browser's time of capture of a frame that is drawn until it is
handed to the compositor; `drawn` until it is drawn, too, which a GPU does in no time. The last line is JSON.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser

sys.path.insert(0, str(Path(__file__).parent.parent))
from pipeline.styles.catalog import shipped  # noqa: E402
from support.browsers.chromium import chromium, until, write_panned_photo, write_real_clip  # noqa: E402
from support.system.up import Up  # noqa: E402

FRAME_MS = 1000 / 30

WATCH = """(seconds) => new Promise((resolve) => {
  const video = document.getElementById('video');
  const gl = mvstylizer.output.getContext('webgl2');
  const [delays, drawn, flows, began] = [[], [], [], performance.now()];
  const { framesSeen } = mvstylizer.stats;
  let [captured, seen] = [null, framesSeen];
  video.requestVideoFrameCallback(function look(now, { captureTime }) {
    captured = captureTime ?? now;
    video.requestVideoFrameCallback(look);
  });
  const whenDrawn = (fence, since) => {
    if (gl.getSyncParameter(fence, gl.SYNC_STATUS) === gl.UNSIGNALED) return setTimeout(whenDrawn, 2, fence, since);
    drawn.push(performance.now() - since);
    gl.deleteSync(fence);
  };
  const afterFrame = (since) => {
    const { framesSeen, flowMs = null } = mvstylizer.stats;
    if (framesSeen === seen || since === null) return;
    seen = framesSeen;
    delays.push(performance.now() - since);
    flows.push(flowMs);
    whenDrawn(gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0), since);
  };
  requestAnimationFrame(function each() {
    setTimeout(afterFrame, 0, captured);
    if (performance.now() - began < 1000 * seconds) return requestAnimationFrame(each);
    const stats = mvstylizer.stats;
    resolve({ delays, drawn, flows, stats, fps: (seen - framesSeen) / ((performance.now() - began) / 1000) });
  });
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="the camera's video instead of the panned photo")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--modes", nargs="+", default=["grid", "residual", "warp", "off"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = asyncio.run(measure(Path(name), args))
    print("mode         fps  flow ms  flow size  skipped  delay ms    p95  frames  drawn ms")
    for row in rows:
        print(
            f"{row['mode']:10} {row['fps']:5} {row['flow_ms'] or '-':>8} {row['flow_size'] or '-':>10} "
            f"{row['flows_skipped']:8.0%} {row['delay_p50_ms']:9} {row['delay_p95_ms']:6} {row['delay_frames']:7} "
            f"{row['drawn_p50_ms']:9}"
        )
    print(json.dumps(rows))


async def measure(folder: Path, args: argparse.Namespace) -> list[dict]:
    camera = folder / "camera.y4m"
    if args.clip:
        write_real_clip(camera, args.clip, frames=150)
    else:
        write_panned_photo(camera)
    (folder / "up").mkdir()
    up = Up(folder / "up", environment=dict(os.environ))
    try:
        await asyncio.to_thread(up.wait_ready)
        async with chromium(camera) as browser:
            return [await watched(browser, up.url, mode, args.seconds) for mode in args.modes]
    finally:
        await asyncio.to_thread(up.stop)


async def watched(browser: Browser, url: str, mode: str, seconds: float) -> dict:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    query = "flow=off" if mode == "off" else f"mode={mode}"
    await page.goto(f"{url}/?source=camera&style={shipped()[0].id}&autostart=1&{query}")
    await until(page, "window.mvstylizer?.state === 'live' && mvstylizer.stats.keyFrames >= 3", 60)
    seen = await page.evaluate(WATCH, seconds)
    await page.close()
    flows = sorted(ms for ms in seen["flows"] if ms)
    stats, delays, drawn = seen["stats"], sorted(seen["delays"]), sorted(seen["drawn"])
    return {
        "mode": mode,
        "fps": round(seen["fps"], 1),
        "flow_ms": round(flows[len(flows) // 2], 1) if flows else None,
        "flow_size": "x".join(map(str, stats["flowSize"])) if flows else None,
        "flows_skipped": round(stats.get("flowsSkipped", 0) / stats["framesSeen"], 3),
        "delay_p50_ms": round(delays[len(delays) // 2]),
        "delay_p95_ms": round(delays[int(0.95 * len(delays))]),
        "delay_frames": round(delays[len(delays) // 2] / FRAME_MS, 1),
        "drawn_p50_ms": round(drawn[len(drawn) // 2]),
        "key_frame_age_ms": round(stats["keyFrameAgeMs"] or 0),
    }


if __name__ == "__main__":
    main()
