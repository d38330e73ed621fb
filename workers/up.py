"""Runs the whole system on one machine until Ctrl-C: Redis, the gateway, edge workers, trainer and aggregator."""

import argparse
import asyncio
import contextlib
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import qrcode
import redis

from pipeline.contract.errors import BadSetting, MVStylizerError, RedisUnavailable
from pipeline.contract.redaction import in_url, redact
from pipeline.contract.settings import Settings
from pipeline.monitoring.auth import Access
from pipeline.monitoring.metrics import SupervisorMetrics
from pipeline.monitoring.metrics_push import Reporter
from pipeline.queues.broker import connect
from pipeline.queues.redis_errors import REASONS, reason
from workers.gateway import check_port_free
from workers.process import redis_server
from workers.process.liveness import CHECK_S, Pulse
from workers.process.run_folder import run_folder
from workers.process.supervisor import SupervisedProcess
from workers.process.tls import local_address
from workers.process.worker_count import MOST_WORKERS, worker_count_here

READY_TIMEOUT_S = 120.0
POLL_S = 0.1
#: A process that is silent for this long is killed and restarted; its time-outs for single steps are much shorter.
SILENCE_S = 10.0
#: The trainer and the aggregator only get idle processor time, so that one step may take minutes on a busy machine.
LEARNERS_SILENCE_S = 300.0
#: A Redis that does not answer for this long hangs; it needs a millisecond.
REDIS_SILENCE_S = 8.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: What is wrong with a model is its last line on standard error.
LOAD_STYLIZER = """
import sys
from edge.stylizer import find
try:
    find(sys.argv[1])
except ValueError as error:
    sys.exit(str(error))
"""
#: With -P, Python does not import a `workers` from the current folder.
ROLE = (sys.executable, "-P", "-m", "workers")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1; 0.0.0.0 for the whole network)")
    parser.add_argument("--port", type=int, help="port of the page (default 8080)")
    parser.add_argument(
        "--workers",
        default="auto",
        metavar="N",
        help="edge workers to start; 'auto' (default) starts one for each core but one, as far as there is memory for "
        f"them, {MOST_WORKERS} at most, and a single one on a machine with a GPU",
    )
    parser.add_argument(
        "--stylizer",
        default="grid",
        metavar="NAME",
        help="the model: grid (default), which learns, or one that does not: paper:VGG19, onnx:FILE, or a package's",
    )
    parser.add_argument("--redis", metavar="URL", help="use this Redis instead of starting one")
    parser.add_argument("--tls", action="store_true", help="serve https, with a certificate made on the spot")
    parser.epilog = (
        "examples:\n"
        "  mvstylizer up                          this machine's browser: http://127.0.0.1:8080\n"
        "  mvstylizer up --host 0.0.0.0 --tls     phones on the same network, with a QR code"
    )


def run(args: argparse.Namespace) -> None:
    given = {"host": args.host, "port": args.port}
    settings = replace(Settings.from_environment(), **{k: v for k, v in given.items() if v is not None})
    workers = number_of_workers(args.workers)
    check_stylizer(args.stylizer)
    check_port_free(settings.host, settings.port)
    redis_url = args.redis or os.environ.get("MVS_REDIS_URL", "")  # without either, a Redis is started
    asyncio.run(serve(settings, redis_url=redis_url, workers=workers, tls=args.tls, stylizer=args.stylizer))


def check_stylizer(name: str) -> None:
    """Load a model once, in a process of its own; raises BadSetting with a sentence if that fails."""
    if name == "grid":
        return
    done = subprocess.run([sys.executable, "-P", "-c", LOAD_STYLIZER, name], capture_output=True, text=True)
    if done.returncode:
        raise BadSetting(f"--stylizer {name}: {(done.stderr.strip().splitlines() or ['it ended'])[-1]}.")


def number_of_workers(text: str) -> int:
    """Read the option --workers. Raises BadSetting for anything but 'auto' and whole numbers from 1 on."""
    if text == "auto":
        return worker_count_here()
    if not text.isdecimal() or int(text) < 1:
        raise BadSetting("--workers must be 'auto' or a whole number from 1 on.")
    return int(text)


async def serve(settings: Settings, *, redis_url: str, workers: int, tls: bool, stylizer: str) -> None:
    """Run everything until Ctrl-C, SIGTERM or SIGHUP. Whenever they come, everything is stopped and removed."""
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with run_folder() as folder:
        stack = LocalStack(settings, redis_url=redis_url, workers=workers, tls=tls, folder=folder, stylizer=stylizer)
        await stack.run(stop)


class LocalStack:
    """All processes of the system. They are started in the order of their needs, and Redis is stopped last."""

    def __init__(
        self,
        settings: Settings,
        *,
        redis_url: str = "",
        workers: int = 1,
        tls: bool = False,
        folder: Path | None = None,
        stylizer: str = "grid",
    ) -> None:
        """Without a `redis_url`, a Redis is started; `folder` is a private folder for its socket.

        `stylizer` is the name of a model (see `edge.stylizer`); only `grid` has parts that learn.
        """
        self._stylizer = stylizer
        self._settings, self._number_of_workers, self._tls = settings, workers, tls
        self._access = Access.of(settings)
        self._made_up_key = secrets.token_hex(32)
        self._started_s = time.monotonic()
        self._parts: list[SupervisedProcess] = []
        self._lives: list[asyncio.Task[str]] = []
        self._pulse, self.metrics = Pulse.of_environment(), SupervisorMetrics()
        self._redis_url = redis_url
        self._redis_child: SupervisedProcess | None = None
        if not redis_url:
            server = redis_server.private(redis_server.find_server(), folder)
            self._redis_url = server.url
            self._redis_child = SupervisedProcess(
                "redis", server.command, stdin=server.config, quiet=True, on_restart=self.metrics.restarted
            )

    def environment(self) -> dict[str, str]:
        """Return the environment variables for every process. Secrets are among them, as other users see arguments."""
        found = {"MVS_REDIS_URL": self._redis_url, "MVS_OPERATOR_TOKEN": self._access.token}
        found["MVS_DRAIN_S"] = "0"  # there is no other gateway to move to
        if not self._settings.snapshot_key and not self._settings.cloud_redis_url:  # another cloud has its own key
            found["MVS_SNAPSHOT_KEY"] = self._made_up_key
        return found

    def _servers(self) -> list[SupervisedProcess]:
        """Return the edge workers, then the gateway."""
        listen = ["--host", self._settings.host, "--port", str(self._settings.port), *(["--tls"] if self._tls else [])]
        model = ["--stylizer", self._stylizer]
        workers = [self._role(f"worker {i + 1}", "stylize", *model) for i in range(self._number_of_workers)]
        return [*workers, self._role("gateway", "gateway", *listen)]

    def _learners(self) -> list[SupervisedProcess]:
        if self._stylizer != "grid":
            return []
        roles = {"trainer": "train", "aggregator": "aggregate"}
        if self._settings.cloud_redis_url:  # the cloud is somewhere else
            del roles["aggregator"]
        return [self._role(name, role, silence_s=LEARNERS_SILENCE_S) for name, role in roles.items()]

    def _role(self, name: str, *words: str, silence_s: float = SILENCE_S) -> SupervisedProcess:
        return SupervisedProcess(
            name,
            [*ROLE, *words],
            quiet=True,  # we print ourselves that it is ready
            environment=self.environment(),
            silence_s=silence_s,
            on_restart=self.metrics.restarted,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; raises MVStylizerError if a process cannot be started."""
        try:
            await self._until(stop, self._start())
            self._welcome()
            for child in self._learners():  # they are started last, since nobody waits for them
                self._launch(child, self._learn(child))
            await self._until(stop, self._watch_redis())
        except _Stopped:
            pass
        finally:
            await self._stop()

    async def _start(self) -> None:
        if self._redis_child:
            self._launch(self._redis_child)
            await self._ready("redis", self._redis_answers)
            self._redis_child.was_ready = True
        elif why := await self._redis_trouble() or REASONS["cluster"] * await self._is_cluster():
            raise RedisUnavailable(f"Cannot use Redis at {redact(self._redis_url)}: {why}.")
        Reporter(connect(self._redis_url), "up", self.metrics.registry).start()
        for child in self._servers():
            self._launch(child)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
            await self._ready("gateway", lambda: self._answers(http, "/healthz"))
            workers = "edge worker" + "s" * (self._number_of_workers > 1)
            await self._ready(workers, lambda: self._answers(http, "/readyz"))

    def _launch(self, child: SupervisedProcess, life: Awaitable[str] | None = None) -> None:
        self._parts.append(child)
        self._lives.append(asyncio.ensure_future(life or child.keep_alive()))

    async def _learn(self, child: SupervisedProcess) -> str:
        """Keep a trainer or aggregator alive; if it cannot be started, say so and let everything else go on."""
        print(f"{await child.keep_alive()} Everything else goes on.", file=sys.stderr, flush=True)
        await asyncio.Event().wait()
        return ""

    async def _ready(self, name: str, check: Callable[[], Awaitable[bool]]) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not await check():
            if time.monotonic() > deadline_s:
                raise MVStylizerError(f"The {name} was not ready after {READY_TIMEOUT_S:.0f} s.")
            await asyncio.sleep(POLL_S)
        print(f"  {name:14} ready after {time.monotonic() - self._started_s:4.1f} s", flush=True)

    async def _redis_answers(self) -> bool:
        return not await self._redis_trouble()

    async def _redis_trouble(self) -> str:
        """Return why Redis cannot be used, or "" if it can."""
        try:
            with contextlib.closing(connect(self._redis_url)) as connection:
                await asyncio.to_thread(connection.ping)
        except redis.RedisError as error:
            return reason(error)
        return ""

    async def _is_cluster(self) -> bool:
        """Return whether Redis is a cluster: one of a single node answers a ping, but not commands with two keys."""
        with contextlib.closing(connect(self._redis_url)) as connection, contextlib.suppress(redis.RedisError):
            return bool((await asyncio.to_thread(connection.info, "cluster")).get("cluster_enabled"))
        return False

    async def _watch_redis(self) -> None:
        """Watch Redis for ever, and kill it when it hangs, if we started it; its supervisor then restarts it."""
        answered_s, clock = time.monotonic(), time.monotonic
        while True:
            asked_s = clock()
            if await self._redis_answers() or not self._redis_child or not self._redis_child.pid:
                answered_s = clock()
            elif clock() - answered_s > REDIS_SILENCE_S:
                self._redis_child.end_hung()
                answered_s = clock()
            await asyncio.sleep(max(0.0, asked_s + CHECK_S - clock()))

    async def _answers(self, http: aiohttp.ClientSession, path: str) -> bool:
        try:
            async with http.get(self._url(self._reachable_host()) + path) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    def _reachable_host(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._settings.host, self._settings.host)

    def _url(self, host: str) -> str:
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self._settings.port}"

    def _welcome(self) -> None:
        everywhere = self._settings.host in ("0.0.0.0", "::")
        url = self._url(local_address() if everywhere else self._settings.host)
        print(f"\nOpen {url}   (Ctrl-C stops everything)\n", flush=True)
        print(f"For operators: {self._access.url(f'{url}/status')}", flush=True)
        if self._redis_child:
            print(f"their queues:  {dashboard_command(self._redis_url)}\n", flush=True)
        if self._tls:
            print("The certificate was made on this machine: the browser asks once whether you trust it.", flush=True)
            code = qrcode.QRCode(border=2)
            code.add_data(url)
            code.print_ascii(invert=True)
        elif everywhere:
            print("Phones need --tls: browsers give the camera to secure pages only.", flush=True)

    async def _until(self, stop: asyncio.Event, work: Awaitable[None]) -> None:
        """Await `work`; raises _Stopped if `stop` is set first, and MVStylizerError if a process cannot be started."""
        working, stopping = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
        try:
            while not working.done():
                self._pulse.beat()
                await asyncio.wait({working, stopping, *self._lives}, return_when=asyncio.FIRST_COMPLETED, timeout=1)
                if stopping.done():
                    raise _Stopped
                for life in self._lives:
                    if life.done():
                        raise MVStylizerError(life.result())
            await working
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    async def _stop(self) -> None:
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        await asyncio.gather(*(part.stop() for part in self._parts if part is not self._redis_child))
        if self._redis_child:
            await self._redis_child.stop()


def dashboard_command(redis_url: str, cwd: Path | None = None) -> str:
    """Return the shell command that shows the queues. A password goes into the environment, which others cannot see."""
    root = Path(__file__).parent.parent
    here = root == (cwd or Path.cwd())
    run = [] if not (root / "pyproject.toml").exists() else ["uv", "run", *([] if here else ["--project", str(root)])]
    command = shlex.join([*run, "mvstylizer", "dashboard"])
    if in_url(redis_url):
        return f"MVS_REDIS_URL={shlex.quote(redis_url)} {command}"
    return f"{command} --redis {shlex.quote(redis_url)}"


class _Stopped(Exception):
    """Ctrl-C, SIGTERM or SIGHUP has come."""
