"""Measures how many streams one machine carries, with everything on it and the real model:

    uv run python tests/benchmarks/crowd.py --clip CLIP ... --still CLIP [--streams 8 14 20 40] [--rate auto 2]
    uv run python tests/benchmarks/crowd.py --clip CLIP ... --baseline ../older-checkout [--seconds 30]

Each row is one `mvstylizer up` and one `mvstylizer load` on this machine, whose processor they share. Clients send the
clips in turn, and every third one a still picture that only breathes. `--rate auto` lets the gateway decide when a key
frame is worth it; a number asks for so many looks a second of each client, whatever comes (open loop). `--baseline`
runs an older checkout's `up` before ours in each row. Printed for each row: frames a second shown and sent, round trip
and age of looks, looks a second of each client, what was lost, how alike the clients were served (Jain's index), and
what each role took of a core. The last line is JSON.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parent.parent))
from still_clips import RATE, SECONDS, held, still_clip  # noqa: E402

from clients.load.cli import measure  # noqa: E402
from clients.load.recording import Recording, record, record_pictures  # noqa: E402
from clients.load.virtual_clients import Plan  # noqa: E402
from clients.media.clip import Clip, upright  # noqa: E402
from clients.media.geometry import resized  # noqa: E402
from pipeline.contract.settings import Settings  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.system.up import Up  # noqa: E402

SIZE, FPS = (640, 360), 30
#: Settings that refuse no client, since the budget of the machine itself is measured.
SETTINGS = {"MVS_MAX_SESSIONS": "1000", "MVS_OFFERS_PER_S": "100"}
#: The longest interval between key frames, for which the systems of tests have a setting of their own, and what it was
#: before key frames followed the picture.
INTERVAL_S, BEFORE_INTERVAL_S = str(Settings().key_frame_interval_s), "0.5"
ROLES = ("gateway", "stylize", "redis", "generator")


def main() -> None:
    args = arguments()
    recordings = recorded(args.clip or [None], args.still)
    rows = {}
    for name, checkout, rate, streams in runs(args):
        row = columns(measured(checkout, recordings, streams, rate, args.seconds))
        if not rows:
            print_row("streams", {title: title for title in row})
        rows[name] = row
        print_row(name, row)
    print(json.dumps(rows))


def recorded(clips: list[Path | None], still: Path | None) -> tuple[Recording, ...]:
    """What clients send in turn: the clips, and in every third place the first picture of `still`, breathing."""
    moving = [record(clip, SIZE, fps=FPS) for clip in clips]
    if still is None:
        return tuple(moving)
    with Clip(still) as clip:
        first = resized(upright(next(clip.frames())), SIZE)
    breathing = record_pictures(list(islice(still_clip(held, [first]), SECONDS * RATE)), fps=FPS)
    pairs = [moving[i : i + 2] for i in range(0, len(moving), 2)]
    return tuple(recording for pair in pairs for recording in (*pair, breathing))


def runs(args: argparse.Namespace) -> Iterator[tuple[str, Path | None, float | None, int]]:
    """Name, checkout (None for this one), looks a second (None where the gateway decides) and streams of each row."""
    for rate in args.rate:
        for streams in args.streams:
            asked = None if rate == "auto" else float(rate)
            if args.baseline:
                yield f"before {streams} at {rate}", args.baseline, asked, streams
            yield f"{streams} at {rate}", None, asked, streams


def measured(
    checkout: Path | None, recordings: tuple[Recording, ...], streams: int, rate: float | None, seconds: float
) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "up").mkdir()
        command = ("uv", "run", "mvstylizer", "up") if checkout else (sys.executable, "-m", "workers", "up")
        environment = {
            **os.environ,
            **SETTINGS,
            "MVS_KEY_FRAME_INTERVAL_S": BEFORE_INTERVAL_S if checkout else INTERVAL_S,
        }
        up = Up(Path(folder) / "up", environment=environment, command=command, cwd=checkout)
        try:
            up.wait_ready()
            plan = Plan(up.url, shipped()[0].id, recordings, rate, streams, streams / 5, seconds)
            return measure(plan, 1)[0]
        finally:
            up.stop()


def columns(summary: dict) -> dict[str, float | None]:
    """What a row shows: times in milliseconds, Mbit/s and frames a second of each client, shares of a core."""
    trip, age, looks = (summary[name] for name in ("key_frame_round_trip_ms", "look_age_ms", "looks_per_s"))
    roles = {role: summary["roles"].get(role, {}).get("core_percent", 0) / 100 for role in ROLES}
    return {
        "in": summary["clients"],
        "shown": summary["shown_fps"],
        "sent": summary["sent_fps"],
        "Mbit/s": summary["uplink_mbit_per_s"],
        "trip p50": trip["p50"],
        "p95": trip["p95"],
        "age p50": age["p50"],
        "age p95": age["p95"],
        "looks/s": summary["key_frames_per_s"],
        "each": looks["mean"],
        "lost": summary["lost"],
        "Jain": looks["jain"],
        "lag p99": summary["stages"].get("event loop lag", {}).get("p99_ms"),
        **{role: round(cores, 2) for role, cores in roles.items()},
    }


def print_row(name: str, row: dict) -> None:
    print(f"{name:20}" + "".join(f"{value!s:>9}" for value in row.values()), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, nargs="+", default=[], help="videos to send (a pan over a photo)")
    parser.add_argument("--still", type=Path, help="a video whose first picture every third client sends, breathing")
    parser.add_argument("--streams", type=int, nargs="+", default=[8, 14, 20, 40])
    parser.add_argument("--rate", nargs="+", default=["auto", "2"])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--baseline", type=Path, help="an older checkout, to compare with")
    return parser.parse_args()


if __name__ == "__main__":
    main()
