"""Attacks by somebody else on the same machine, and what an `up` leaves behind. Each starts an `up` of its own."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from clients.load.cli import scrape
from clients.load.recording import record
from clients.load.replay import Replay
from pipeline.contract.control import SharingChanged, SharingChoice
from pipeline.styles.catalog import shipped
from security.fort import ATTACKER, Target
from security.innocents import ConnectionFrom
from security.web import ask
from support.services.redis_process import RedisServer
from support.system.up import Up
from workers.process.redis_server import free_port
from workers.process.runtime import die_with_parent

NOBODY = 65534


@contextlib.contextmanager
def another_up(*options: str, **settings: str) -> Iterator[Up]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "up"
        folder.mkdir()
        os.chmod(name, 0o755)
        os.chmod(folder, 0o777)
        up = Up(folder, *options, environment={**os.environ, **settings})
        try:
            up.wait_ready()
            yield up
        finally:
            up.stop()


def as_nobody(code: str) -> str:
    """The output of a Python program that another user runs; it imports nothing of ours."""

    def drop() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    done = subprocess.run(
        ["/usr/bin/env", "python3", "-c", code],
        preexec_fn=drop,
        capture_output=True,
        text=True,
        timeout=30,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
    )
    return done.stdout


KNOCK = """
import glob, os, socket, stat
def talk(s):
    s.settimeout(1)
    try:
        s.sendall(b"PING\\r\\nCONFIG GET dir\\r\\nKEYS *\\r\\n")
        got = s.recv(4096)
    except OSError:
        return
    if b"+PONG" in got:
        print("opened", s.getpeername())
for port in {ports}:
    try:
        talk(socket.create_connection(("127.0.0.1", port), 1))
    except OSError:
        pass
for path in {paths}:
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        talk(s)
    except OSError:
        pass
    try:
        print("listed", os.listdir(os.path.dirname(path)))
    except OSError:
        pass
"""


def _other_user() -> str:
    if os.getuid():
        return "not tried: only root can become another user"
    with another_up() as up:
        ports, paths = set(), set()
        for part in up.parts():
            with contextlib.suppress(psutil.Error):
                for one in part.net_connections("all"):
                    if one.status == psutil.CONN_LISTEN and one.laddr.port != up.port:
                        ports.add(one.laddr.port)
                    elif one.family == socket.AF_UNIX and isinstance(one.laddr, str) and one.laddr.startswith("/"):
                        paths.add(one.laddr)
        if not ports | paths:
            return "not tried: nothing was found that listens"
        found = as_nobody(KNOCK.format(ports=sorted(ports), paths=sorted(paths)))
    return f"another user: {found.strip()[:100]}" if found else ""


async def other_user_reads_redis(target: Target) -> str:
    """Another user of this machine looks for the Redis that `up` starts, by port and by socket."""
    return await asyncio.to_thread(_other_user)


SECRET = "redis-secret-4711"


def _ps(parts: list[psutil.Process]) -> list[str]:
    shown = []
    for part in parts:
        with contextlib.suppress(psutil.Error):
            shown.append(" ".join(part.cmdline()))
    return [line for line in shown if SECRET in line]


def _passwords() -> str:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), requirepass=SECRET)
        server._process = subprocess.Popen(server._command, stdout=subprocess.DEVNULL)
        try:
            url = server.url.replace("//", f"//:{SECRET}@")
            with another_up(MVS_REDIS_URL=url) as up:
                seen = _ps(up.parts())
                said = SECRET in up.log.read_text()
        finally:
            server.stop()
    if seen:
        return f"ps shows it in {len(seen)} children"
    if said:
        return "up prints it"
    wrongs = (f"redis://:{SECRET}@127.0.0.1:1/0", f"rediss:/:{SECRET}@x", f"redis://u:{SECRET}@127.0.0.1:none/0")
    for role in ("gateway", "stylize", "train", "aggregate", "up", "dashboard"):
        for wrong in wrongs[:1] if role in ("train", "aggregate") else wrongs:
            if SECRET in said_by(role, "--redis", wrong) + said_by(role, MVS_REDIS_URL=wrong):
                return f"{role} says it in an error ({wrong.replace(SECRET, '...')})"
    return ""


def said_by(*command: str, seconds: float = 6, **settings: str) -> str:
    """The output of a role until it ends, or is ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "workers", *command],
        text=True,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


async def passwords_shown(target: Target) -> str:
    """A Redis password in `ps` of any child, or in what a role says when it cannot start."""
    return await asyncio.to_thread(_passwords)


async def credential_in_error(target: Target) -> str:
    """Errors about settings that make no sense must not show the secrets in them."""
    wrong = {
        "MVS_ICE_SERVERS": f'[{{"urls": "turn:x", "username": "u", "credential": "{SECRET}"',
        "MVS_OPERATOR_TOKEN": f"{SECRET} with a space",
        "MVS_REDIS_URL": f"http://u:{SECRET}@x/",
        "MVS_CLOUD_REDIS_URL": f"foo://u:{SECRET}@x/",
        "MVS_SNAPSHOT_KEY": f"{SECRET} with a space",
    }
    shown = []
    for name, value in wrong.items():
        said = await asyncio.to_thread(lambda: said_by("gateway", "--port", "1", **{name: value}))
        shown += [name] if SECRET in said else []
    return f"shown: {', '.join(shown)}" if shown else ""


def left_behind(up: Up, parts: list[psutil.Process]) -> str:
    """The processes and files that are left of an `up` that ended."""
    for _ in range(80):
        folders = [path.name for path in up.folder.iterdir() if path.name.startswith("mvstylizer-")]
        running = [part for part in parts if part.is_running()]
        if not folders and not running:
            return ""
        time.sleep(0.1)
    return f"left {folders}, {len(running)} processes"


def _hung_up() -> str:
    with another_up() as up:
        parts = up.parts()
        up.process.send_signal(signal.SIGHUP)
        up.process.wait(30)
        return left_behind(up, parts)


async def hung_up(target: Target) -> str:
    """SIGHUP, as when a terminal closes: `up` ends in order and leaves nothing."""
    return await asyncio.to_thread(_hung_up)


def _killed() -> str:
    with another_up() as up:
        parts = up.parts()
        up.process.kill()
        up.process.wait(30)
        again = Up(up.folder, environment=dict(os.environ))
        try:
            again.wait_ready()
        finally:
            again.stop()
        return left_behind(up, parts)


async def killed(target: Target) -> str:
    """SIGKILL to `up`: all that it started dies, and its folder is gone when the next `up` has started."""
    return await asyncio.to_thread(_killed)


def _full_folder() -> str:
    if os.getuid():
        return "not tried: only root can mount a folder of one megabyte"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "up"
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True)
        if mounted.returncode:
            return "not tried: mounting is not allowed here"
        up = None
        try:
            up = Up(folder, environment=dict(os.environ))
            up.wait_ready()
            with contextlib.suppress(OSError), (folder / "full").open("wb") as file:
                while True:
                    file.write(bytes(4096))
                    file.flush()
            worker = up.worker()
            up.part("stylize").kill()
            worker.wait(10)
            for _ in range(300):
                time.sleep(0.1)
                with contextlib.suppress(StopIteration, IndexError, psutil.Error):
                    if up.worker().is_running() and up.get("/readyz")[0] == 200 and up.worker().pid != worker.pid:
                        return ""
            return "no worker starts any more"
        finally:
            if up:
                with contextlib.suppress(Exception):
                    up.stop()
            subprocess.run(["umount", "-l", str(folder)], capture_output=True)


async def full_temporary_folder(target: Target) -> str:
    """A full temporary folder: a worker that has to start again can do so."""
    return await asyncio.to_thread(_full_folder)


async def withdrawal_before_a_crash(target: Target) -> str:
    """A client took its pictures back, which was confirmed; then Redis lost its data. The trainer must drop them."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            with another_up("--redis", server.url) as up:
                return await _withdraw(up, server)
        finally:
            server.stop()


async def _withdraw(up: Up, server: RedisServer) -> str:
    said, recording = asyncio.Queue(), record(None, (160, 96))
    client = ConnectionFrom(
        up.url, ATTACKER, on_control=lambda word: isinstance(word, SharingChanged) and said.put_nowait(word)
    )
    track = Replay(recording, lambda *_: None)
    try:
        await client.open(track, size=recording.size, style=shipped()[0].id)
        track.play(client.video)
        await asyncio.sleep(1)
        client.send(SharingChoice(True))
        await asyncio.wait_for(said.get(), 10)
        if not await _samples(up, lambda samples: samples > 0, 60):
            return "not tried: the trainer read nothing"
        trainer = up.part("train")
        trainer.suspend()  # the trainer hears nothing before the crash
        client.send(SharingChoice(False))
        await asyncio.wait_for(said.get(), 30)
        server.kill()
        server.start()
        trainer.resume()
    finally:
        track.stop()
        await client.close()
    return "" if await _samples(up, lambda samples: samples == 0, 60) else "the trainer still has them a minute later"


async def _samples(up: Up, wanted: Callable[[float], bool], limit_s: float) -> bool:
    """Whether the trainer held this many samples in time."""
    for _ in range(round(2 * limit_s)):
        await asyncio.sleep(0.5)
        if wanted(scrape(up.url, None).total("mvs_training_samples")):
            return True
    return False


NGINX = """daemon off; pid {folder}/pid; error_log /dev/null; events {{}} http {{ access_log off;
client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
scgi_temp_path {folder}/s; server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {url}; }} }} }}"""


async def default_proxy(target: Target) -> str:
    """A default nginx in front: its Host is a loopback name, and it does not name its clients."""
    if not shutil.which("nginx"):
        return "not tried: there is no nginx"
    with tempfile.TemporaryDirectory() as folder, another_up(MVS_OPERATOR_OPEN="off") as up:
        port = free_port()
        os.chmod(folder, 0o755)
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=port, url=up.url))
        nginx = subprocess.Popen(["nginx", "-c", str(config)], preexec_fn=die_with_parent, stderr=subprocess.DEVNULL)
        try:
            return await _through(Target(f"http://127.0.0.1:{port}", "", "", up.log, 0, 0))
        finally:
            nginx.terminate()
            nginx.wait(5)


async def _through(proxy: Target) -> str:
    for _ in range(50):
        await asyncio.sleep(0.1)
        with contextlib.suppress(OSError):
            paths = ("/status", "/status.json", "/metrics")
            opened = [path for path in paths if (await asyncio.to_thread(ask, proxy, path, here=True))[0] == 200]
            return f"opened {', '.join(opened)}" if opened else ""
    return "not tried: nginx did not start"
