"""The whole system with all its real parts, started as a user starts it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from clients.media.clip import Clip, upright
from clients.net.connection import Connection
from pipeline.contract.image_codec import decode_image
from pipeline.styles.catalog import find_shipped, shipped
from support.browsers.chromium import write_panned_photo
from support.paths import PLAIN_AIORTC, ROOT
from support.system.up import Up
from support.webrtc.peers import ColourCamera, until
from workers.process.supervisor import MAX_CRASHES

#: A test that takes longer than this hangs.
START_UP = """
import os, sys, time
from collections.abc import Iterator
from pathlib import Path
from support.system.up import Up
up = Up(Path(sys.argv[1]), environment=dict(os.environ))
up.wait_ready()
print(up.process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_panned_photo(tmp_path_factory.mktemp("clip") / "pan.y4m", frames=90)


def frames(path: Path) -> list[np.ndarray]:
    with Clip(path) as clip:
        return [upright(frame) for frame in clip.frames()]


def run_client(up: Up, *options: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "workers", "client", up.url, *options]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module", params=["patched", "plain"])
def either(request, tmp_path_factory) -> Iterator[tuple[Up, dict[str, str]]]:
    """A running system and its clients' environment: with our parts in the place of aiortc's, and without."""
    if request.param == "patched":
        yield request.getfixturevalue("up"), {}
        return
    plain = {"PYTHONPATH": str(PLAIN_AIORTC)}
    system = Up(tmp_path_factory.mktemp("plain"), environment={**os.environ, **plain})
    try:
        system.wait_ready()
        assert "lacks what this was written for" in system.log.read_text()
        yield system, plain
    finally:
        system.stop()


def test_a_headless_client_gets_its_video_stylized(either, clip, tmp_path):
    (up, environment), style, output = either, find_shipped("dusk"), tmp_path / "out.mp4"
    options = ("--input", str(clip), "--style", style.name, "--output", str(output))

    done = run_client(up, *options, **environment)

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["frames"] == summary["written_frames"] == 90
    assert summary["key_frames"] >= 3 and summary["stylized_frames"] > 45
    assert summary["round_trip_p95_ms"] >= summary["round_trip_p50_ms"] > 0
    source, stylized = frames(clip), frames(output)
    assert len(stylized) == 90
    wanted = decode_image(style.jpeg).mean((0, 1))
    before, after = source[-1].mean((0, 1)), stylized[-1].mean((0, 1))
    assert np.abs(after - wanted).sum() < 0.6 * np.abs(before - wanted).sum()


def test_a_photo_of_ones_own_is_a_style(up, clip, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(shipped()[1].jpeg)
    output = tmp_path / "out.mp4"

    done = run_client(up, "--input", str(clip), "--style", str(photo), "--output", str(output))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["key_frames"] >= 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--input", "nothing.mp4", "--style", "x", "--output", "o.mp4"], "is not a file"),
        (["--input", __file__, "--style", "x", "--output", "o.mp4"], "not a readable video"),
        (["--input", __file__, "--style", "x", "--output", __file__], "must end in"),
    ],
)
def test_a_client_called_wrongly_says_so_in_one_sentence(up, options, sentence):
    done = run_client(up, *options)

    assert done.returncode == 2
    assert sentence in done.stderr and len(done.stderr.splitlines()) == 1


async def test_a_killed_worker_is_replaced_and_the_session_goes_on(up):
    grids: list[np.ndarray] = []
    connection = Connection(up.url, on_grid=lambda _, grid: grids.append(grid), on_control=lambda _: None)
    camera = ColourCamera((90, 120, 150), (320, 240))
    await connection.open(camera, size=camera.size, style=find_shipped(shipped()[0].id).id)
    await until(lambda: len(grids) >= 2)

    up.worker().kill()
    seen = len(grids)

    await until(lambda: len(grids) >= seen + 3, timeout_s=60)
    camera.stop()
    await connection.close()


async def test_a_killed_redis_comes_back_and_the_session_goes_on(up):
    grids: list[np.ndarray] = []
    connection = Connection(up.url, on_grid=lambda _, grid: grids.append(grid), on_control=lambda _: None)
    camera = ColourCamera((90, 120, 150), (320, 240))
    await connection.open(camera, size=camera.size, style=shipped()[0].id)
    await until(lambda: len(grids) >= 2)

    next(p for p in up.parts() if "redis" in p.name()).kill()
    seen = len(grids)

    await until(lambda: len(grids) >= seen + 3, timeout_s=60)
    camera.stop()
    await connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_no_child_and_no_file(tmp_path, number):
    (tmp_path / "up").mkdir()
    system = Up(tmp_path / "up", environment=dict(os.environ))
    system.wait_ready()
    parts = system.parts()

    assert system.stop(number) == 0

    assert len(parts) >= 3
    assert not any(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in parts)
    assert list((tmp_path / "up").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
@pytest.mark.parametrize("killed", ["up", "its parent"])
def test_nothing_is_left_behind_by_a_kill(tmp_path, killed):
    """This holds if `up` is killed, or the process that started it."""
    (tmp_path / "up").mkdir()
    tests = subprocess.Popen(
        [sys.executable, "-c", START_UP, str(tmp_path / "up")], stdout=subprocess.PIPE, cwd=ROOT / "tests"
    )
    up = psutil.Process(int(tests.stdout.readline()))
    parts = [up, *up.children(recursive=True)]

    (up if killed == "up" else tests).kill()
    gone, left = psutil.wait_procs(parts[1:] if killed == "up" else parts, timeout=30)
    for part in left:
        part.kill()
    tests.kill()
    tests.communicate()

    assert len(gone) >= 4 and left == []  # Redis, gateway, worker and the process that it forked


async def test_up_goes_on_when_a_part_dies_again_and_again(tmp_path):
    """Once it was ready, `up` goes on, since a service without one part is worth more than none."""
    (tmp_path / "up").mkdir()
    system = Up(tmp_path / "up", environment=dict(os.environ))
    system.wait_ready()
    killed: set[int] = set()

    def kill_a_gateway() -> bool:
        with contextlib.suppress(psutil.Error, StopIteration):  # a process that just ended, or has not started yet
            gateway = system.part("gateway")
            gateway.kill()
            killed.add(gateway.pid)
        return len(killed) > MAX_CRASHES

    await until(kill_a_gateway, timeout_s=120)
    await until(lambda: system.get("/readyz")[0] == 200, timeout_s=120)

    assert system.process.poll() is None
    assert system.stop() == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--port", "70000"], "--port"),
        (["--redis", "http://here"], "Redis URL"),
        (["--redis", "redis://127.0.0.1:1"], "does not answer"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_up_called_wrongly_says_so_in_one_sentence(options, sentence):
    done = subprocess.run([sys.executable, "-m", "workers", "up", *options], capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert sentence in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_taken_port_is_named(up):
    command = [sys.executable, "-m", "workers", "up", "--port", str(up.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert str(up.port) in done.stderr and len(done.stderr.splitlines()) == 1
