"""The gateway process: serves HTTP and WebRTC on one event loop."""

import argparse
import asyncio
import contextlib
import gc
import logging
import signal
import socket
from dataclasses import replace
from pathlib import Path

import clients
from pipeline.contract.errors import BadSetting
from pipeline.contract.settings import Settings
from pipeline.gateway.app import Gateway
from pipeline.monitoring.auth import Access
from pipeline.monitoring.task_owner import keep_running
from pipeline.webrtc import patches
from pipeline.webrtc.media.decoder_pool import Counters
from workers.process.liveness import CHECK_S, Pulse
from workers.process.runtime import say_ready
from workers.process.tls import SelfSigned

logger = logging.getLogger(__name__)

#: Garbage is collected after this many new objects. With Python's default of 700 it takes 4 % of a busy gateway's time.
YOUNG_OBJECTS = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1, or MVS_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8080, or MVS_PORT)")
    parser.add_argument("--redis", metavar="URL", help="Redis to use (default MVS_REDIS_URL)")
    parser.add_argument("--tls", action="store_true", help="serve https with a certificate made on the spot")


def run(args: argparse.Namespace) -> None:
    given = {"host": args.host, "port": args.port, "redis_url": args.redis}
    settings = replace(Settings.from_environment(), **{k: v for k, v in given.items() if v is not None})
    check_port_free(settings.host, settings.port)
    asyncio.run(serve(settings, tls=args.tls))


async def serve(settings: Settings, *, tls: bool) -> None:
    """Serve until SIGINT or SIGTERM, with our parts in the place of aiortc's. After SIGTERM, clients may move first."""
    gateway = Gateway(settings, Path(clients.__file__).parent / "web")
    counters = Counters(gateway.metrics.frames_dropped, gateway.metrics.streams_refused)
    if settings.udp_ports and patches.verify():
        raise BadSetting("MVS_UDP_PORTS has no effect with the installed versions of aiortc and aioice; leave it out.")
    marker = settings.marker_jitter_buffer
    with patches.installed(
        counters, gateway.metrics.refused, marker_jitter_buffer=marker, udp_ports=settings.udp_ports
    ):
        await _serve(gateway, settings, tls=tls)


async def _serve(gateway: Gateway, settings: Settings, *, tls: bool) -> None:
    server = gateway.server()
    certificate = SelfSigned(settings.host, settings.allowed_hosts) if tls else None
    owner: asyncio.Task[None] | None = None
    try:
        await server.start(settings.host, settings.port, certificate.context if certificate else None)
        tune_garbage_collection()
        pulse = Pulse.of_environment()
        tasks = {"beat": lambda: beat(pulse)} | ({"certificate": certificate.keep} if certificate else {})
        owner = keep_running(tasks, gateway.metrics.tasks_restarted)
        say_ready(f"The gateway {settings.gateway_id} is ready: it listens on {settings.host}:{settings.port}.")
        if notice := for_operators(settings, gateway.operators.access):
            print(notice, flush=True)
        await _until_stopped(gateway, settings.drain_s)
    finally:
        if owner:
            owner.cancel()
        await server.stop()


async def beat(pulse: Pulse) -> None:
    """Tell the supervisor, for ever, that this event loop is running."""
    while True:
        pulse.beat()
        await asyncio.sleep(CHECK_S)


def tune_garbage_collection() -> None:
    """Have garbage collected less often, and exclude what exists now, which is there for good.

    Handling packets makes few reference cycles, so there is little for the collector to find.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def for_operators(settings: Settings, access: Access) -> str:
    """Return a line with the operators' address and random token, or "" if they chose a token or need none."""
    if settings.operator_token or access.local:
        return ""
    return f"For operators, with a token made up for this run: {access.url('/status')}"


async def _until_stopped(gateway: Gateway, drain_s: float) -> None:
    """Return upon SIGINT, or after SIGTERM as soon as all clients have moved, but `drain_s` later at most."""
    stop, leave = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_signal_handler(signal.SIGTERM, leave.set)
    stopping, leaving = asyncio.create_task(stop.wait()), asyncio.create_task(leave.wait())
    await asyncio.wait({stopping, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if not stop.is_set():
        logger.warning("asked to stop: clients have %.0f s to move to another gateway", drain_s)
        draining = asyncio.create_task(gateway.drain(drain_s))
        await asyncio.wait({stopping, draining}, return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
    stopping.cancel()


def check_port_free(host: str, port: int) -> None:
    """Raise BadSetting, with a sentence for the user, if it is impossible to listen on this address."""
    with contextlib.closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise BadSetting(f"Cannot listen on {host}:{port} ({why}); choose another one with --port.") from None
