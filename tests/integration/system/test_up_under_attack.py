"""A running `up`: its parts are stopped, others look for its Redis, and it is started in odd places."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from support.system.up import Up
from support.webrtc.peers import until

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux for it")


def names(up: Up) -> dict[str, psutil.Process]:
    """The process of each role, and of "redis"."""
    parts = {p.cmdline()[4]: p for p in psutil.Process(up.process.pid).children() if "-P" in p.cmdline()}
    return parts | {"redis": next(p for p in up.parts() if "redis" in p.name())}


def named(up: Up, name: str) -> psutil.Process | None:
    """One of these processes, or the worker that the stylize role forked; None while it is being replaced."""
    with contextlib.suppress(psutil.Error, LookupError, StopIteration):
        return up.worker() if name == "worker" else names(up)[name]
    return None


@pytest.mark.parametrize("stopped", ["worker", "stylize", "gateway", "redis"])  # a new worker may take long to begin
async def test_a_part_that_is_stopped_is_replaced(up, stopped):
    await until(lambda: named(up, stopped), timeout_s=60)
    part = named(up, stopped)

    part.send_signal(signal.SIGSTOP)
    began_s = time.monotonic()

    await until(lambda: not part.is_running() or part.status() == psutil.STATUS_ZOMBIE, timeout_s=90)
    replaced_s = time.monotonic() - began_s
    await until(lambda: up.get("/readyz")[0] == 200, timeout_s=120)
    assert replaced_s < 80  # about ten seconds; a worker that was just forked gets longer, to load its model
    assert "no sign of life" in up.log.read_text()


def test_no_command_and_no_file_tells_where_redis_is(up):
    commands = [word for part in [psutil.Process(up.process.pid), *up.parts()] for word in part.cmdline()]

    assert not any("redis://" in word or "--redis" in word for word in commands)
    (folder,) = up.folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [f.name for f in folder.iterdir()] == ["redis"]


def test_the_printed_dashboard_command_runs_as_it_is(up):
    (printed,) = re.findall(r"their queues: +(.*)", up.log.read_text())
    command = shlex.split(printed) + ["--port", "19181"]
    assert command[:2] == ["uv", "run"]
    dashboard = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        url = re.search(r"http://\S+", dashboard.stdout.readline())[0]
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())  # the token becomes a cookie
        with (
            browser.open(url, timeout=20),
            browser.open("http://127.0.0.1:19181/0/data/queues.json", timeout=20) as response,
        ):
            assert response.status == 200
    finally:
        os.killpg(dashboard.pid, signal.SIGKILL)
        dashboard.communicate()


def test_restarts_are_counted(up):
    parts = names(up)
    assert set(parts) >= {"redis", "gateway", "stylize"}
    token = re.search(r"token=(\S+)", up.log.read_text())
    request = urllib.request.Request(f"{up.url}/metrics", headers={"Authorization": f"Bearer {token and token[1]}"})
    with urllib.request.urlopen(request, timeout=20) as response:
        text = response.read().decode()

    assert 'mvs_restarts_total{part="worker",reason="silent"}' in text
    assert 'mvs_edge_key_frames_total{outcome="unreadable"}' in text


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize("begun", ["ready after", "folder"])
def test_signals_find_everything_tidied_up_also_while_it_starts(tmp_path, number, begun):
    (tmp_path / "up").mkdir()
    system = Up(tmp_path / "up", environment=dict(os.environ))
    while not (begun in system.log.read_text() or begun == "folder" and list((tmp_path / "up").iterdir())):
        assert system.process.poll() is None, system.log.read_text()
        time.sleep(0.01)
    parts = system.parts()

    assert system.stop(number) == 0

    assert not any(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in parts)
    assert list((tmp_path / "up").iterdir()) == []


@LINUX
def test_after_a_kill_nothing_lives_on_not_even_what_is_stopped_and_the_next_start_tidies_up(tmp_path):
    (tmp_path / "up").mkdir()
    killed = Up(tmp_path / "up", environment=dict(os.environ))
    killed.wait_ready()
    parts = killed.parts()
    for part in parts:
        part.send_signal(signal.SIGSTOP)

    killed.process.kill()
    killed.process.wait()
    _, left = psutil.wait_procs(parts, timeout=30)
    assert left == []
    assert len(list((tmp_path / "up").iterdir())) == 1

    next_one = Up(tmp_path / "up", environment=dict(os.environ))
    next_one.wait_ready()
    assert len(list((tmp_path / "up").iterdir())) == 1
    assert next_one.stop() == 0 and list((tmp_path / "up").iterdir()) == []


HOSTILE = "import pathlib; pathlib.Path({!r}).write_text('ran')"


def test_a_folder_with_packages_of_our_names_runs_none_of_them(tmp_path):
    trace, hostile = tmp_path / "trace", tmp_path / "hostile"
    for name in ("workers", "pipeline", "edge", "cloud", "clients", "redis", "torch", "numpy", "secrets"):
        (hostile / name).mkdir(parents=True)
        for file in ("__init__.py", "__main__.py"):
            (hostile / name / file).write_text(HOSTILE.format(str(trace)))
    (tmp_path / "up").mkdir()
    command = [str(Path(sys.executable).parent / "mvstylizer"), "up"]
    system = Up(tmp_path / "up", environment=dict(os.environ), command=command, cwd=hostile)
    try:
        system.wait_ready()
    finally:
        system.stop()

    assert not trace.exists()


@LINUX
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_full_temporary_folder_keeps_nothing_from_starting(tmp_path):
    full = tmp_path / "up"
    full.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(full)], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount here")
    try:
        with (full / "ballast").open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        system = Up(full, environment=dict(os.environ))
        try:
            system.wait_ready()
            assert system.get("/readyz")[0] == 200
        finally:
            assert system.stop() == 0
    finally:
        subprocess.run(["umount", str(full)], check=True)
