"""Opens and closes sessions, one after another, and measures what stays behind in the gateway:

    uv run python tests/benchmarks/churn.py [--sessions 1000] [--at-once 4]

Each connects, sends video until its first look, or a second long, and leaves. Counted after 100 of them have warmed the
gateway up, and again when the last one is forgotten: file descriptors and threads (the same), memory (<= 60 MB more).
The last line is JSON.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.load.recording import Recording, record  # noqa: E402
from clients.load.replay import Replay  # noqa: E402
from clients.net.connection import Connection  # noqa: E402
from pipeline.contract.errors import MVStylizerError  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.system.crew import Crew  # noqa: E402

#: After this many sessions every thread of the gateway has worked, and has its connection to Redis.
WARM_UP = 100
PATIENCE_S = 1.0
#: The time within which sockets and threads of the last session end.
SETTLE_S = 1.0
SMALL = (128, 72)


def main() -> None:
    args = arguments()
    recording = record(None, SMALL, fps=10)
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder), stub_ms=5) as crew:
        asyncio.run(churn(crew.url, recording, WARM_UP, args.at_once))
        before = held(crew)
        started_s = time.monotonic()
        looks = asyncio.run(churn(crew.url, recording, args.sessions, args.at_once))
        seconds, after = time.monotonic() - started_s, held(crew)
    result = {"sessions": args.sessions, "with_a_look": looks, "seconds": round(seconds)}
    result |= {f"{name}_delta": round(after[name] - before[name], 1) for name in before}
    for name, value in result.items():
        print(f"{name:24}{value}")
    print(json.dumps(result))


async def churn(url: str, recording: Recording, sessions: int, at_once: int) -> int:
    """Run the sessions; returns how many of them got a look."""
    places = asyncio.Semaphore(at_once)

    async def one() -> bool:
        async with places:
            return await visit(url, recording)

    return sum(await asyncio.gather(*(one() for _ in range(sessions))))


async def visit(url: str, recording: Recording) -> bool:
    looked = asyncio.Event()
    connection = Connection(url, on_grid=lambda *_: looked.set(), on_control=lambda _: None)
    track = Replay(recording, lambda *_: None)
    with contextlib.suppress(TimeoutError, MVStylizerError):
        await connection.open(track, size=recording.size, style=shipped()[0].id)
        track.play(connection.video)
        await asyncio.wait_for(looked.wait(), PATIENCE_S)
    track.stop()
    await connection.close()
    return looked.is_set()


def held(crew: Crew) -> dict[str, float]:
    """What the gateway holds once it has had no session for a while."""
    while sessions(crew):
        time.sleep(0.2)
    time.sleep(SETTLE_S)
    gateway: psutil.Process = crew.process("gateway")
    return {"fds": gateway.num_fds(), "threads": gateway.num_threads(), "rss_mb": gateway.memory_info().rss / 1e6}


def sessions(crew: Crew) -> int:
    with urllib.request.urlopen(f"{crew.url}/healthz", timeout=5) as response:
        return json.load(response)["sessions"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main()
