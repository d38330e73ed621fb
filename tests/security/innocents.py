"""Clients who do nothing wrong while somebody attacks. They run in their own process, which tells what they noticed.

Two keep a session each and ask for two looks a second in open loop, one of them with an uploaded photo as its style.
Others come one after the other and want their first look; a visitor asks for /healthz ten times a second.
"""

import asyncio
import contextlib
import http.client
import multiprocessing
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from clients.load.recording import Recording, record
from clients.load.replay import Replay
from clients.load.virtual_clients import SETTLE_S, LoadCounters, Plan, VirtualClient
from clients.net.connection import Connection
from pipeline.contract.errors import MVStylizerError
from pipeline.styles.catalog import shipped
from pipeline.webrtc import patches
from workers.process.runtime import die_with_parent

SIZE, LOOKS_PER_S = (640, 360), 2
#: The visitor and the newcomers have other addresses of loopback, so that limits by address apply as on a network.
VISITOR, NEWCOMER = "127.0.0.2", "127.0.0.3"
VISIT_EVERY_S, VISIT_TIMEOUT_S = 0.1, 5.0
NEWCOMER_EVERY_S, NEWCOMER_PATIENCE_S = 2.0, 6.0


@dataclass(slots=True)
class Felt:
    """What the clients noticed since the last time that this was asked for."""

    looks: int = 0
    lost: int = 0
    refused: int = 0  # sessions that were cut off, and not let in again at once
    look_p50_s: float = 0.0
    look_worst_s: float = 0.0
    visit_worst_s: float = 0.0
    visits_failed: int = 0
    newcomers: int = 0
    turned_away: int = 0
    newcomer_worst_s: float = 0.0

    def worst_wait_s(self, usual_look_s: float) -> float:
        """The longest wait beyond what is usual, in seconds."""
        return max(self.visit_worst_s, self.look_worst_s - usual_look_s)


class Innocents:
    """The clients, as a context manager; `photo` is the id of an uploaded style."""

    def __init__(self, url: str, photo: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(url, photo, theirs), daemon=True)

    def __enter__(self) -> "Innocents":
        self._process.start()
        self._pipe.recv()
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.join()

    def felt(self) -> Felt:
        self._pipe.send("felt")
        return self._pipe.recv()


def _live(url: str, photo: str, pipe: Pipe) -> None:
    die_with_parent()
    with patches.installed():  # as in any client
        asyncio.run(_Crowd(url, photo).serve(pipe))


@dataclass(slots=True)
class _Crowd:
    url: str
    photo: str
    counters: LoadCounters = field(default_factory=LoadCounters)
    felt: Felt = field(default_factory=Felt)

    async def serve(self, pipe: Pipe) -> None:
        recording = record(None, SIZE)
        small = record(None, (160, 96))
        start_s = time.monotonic() - SETTLE_S
        tasks = []
        for style in (self.photo, shipped()[0].id):
            plan = Plan(self.url, style, (recording,), LOOKS_PER_S, 1, 0.0, 1e6, start_s)
            tasks.append(asyncio.create_task(VirtualClient(plan, recording, lambda: self.counters).live()))
        while self.counters.served < 6:
            await asyncio.sleep(0.1)
        tasks.append(asyncio.create_task(self._newcomers(small)))
        threading.Thread(target=self._visit, daemon=True).start()
        pipe.send("ready")
        while await asyncio.to_thread(pipe.recv):
            pipe.send(self._take())

    def _take(self) -> Felt:
        (felt, counters), (self.felt, self.counters) = (
            (self.felt, self.counters),
            (Felt(), LoadCounters(live=self.counters.live)),
        )
        felt.looks, felt.lost, felt.refused = counters.served, counters.lost, counters.refused + counters.failed
        if counters.latencies_us:
            felt.look_p50_s = float(np.median(counters.latencies_us)) / 1e6
            felt.look_worst_s = max(counters.latencies_us) / 1e6
        return felt

    async def _newcomers(self, recording: Recording) -> None:
        while True:
            await asyncio.sleep(NEWCOMER_EVERY_S)
            seconds = await first_look_s(self.url, recording, shipped()[1].id)
            felt = self.felt
            felt.newcomers += 1
            felt.turned_away += seconds is None
            felt.newcomer_worst_s = max(felt.newcomer_worst_s, seconds or NEWCOMER_PATIENCE_S)

    def _visit(self) -> None:
        host, port = urlsplit(self.url).hostname, urlsplit(self.url).port
        while True:
            started_s = time.monotonic()
            connection = http.client.HTTPConnection(host, port, timeout=VISIT_TIMEOUT_S, source_address=(VISITOR, 0))
            try:
                connection.request("GET", "/healthz")
                fine = connection.getresponse().read().startswith(b"{")
            except (OSError, http.client.HTTPException):
                fine = False
            finally:
                connection.close()
            felt, took_s = self.felt, time.monotonic() - started_s
            felt.visits_failed += not fine
            felt.visit_worst_s = max(felt.visit_worst_s, took_s)
            time.sleep(max(0.0, VISIT_EVERY_S - took_s))


class ConnectionFrom(Connection):
    """A client whose requests come from an address of its own."""

    def __init__(self, url: str, address: str, *, headers: Mapping[str, str] = {}, **callbacks: object) -> None:
        super().__init__(url, **{"on_grid": lambda *_: None, "on_control": lambda _: None, **callbacks})
        self._from, self._headers = address, headers

    async def open(self, track, *, size: tuple[int, int], style: str) -> str:
        connector = aiohttp.TCPConnector(local_addr=(self._from, 0))
        try:
            async with aiohttp.ClientSession(connector=connector, headers=self._headers) as http:
                return await self._connect(http, track, size, style)
        except (aiohttp.ClientError, OSError) as error:
            raise MVStylizerError(f"No gateway answers ({error}).") from None


async def first_look_s(url: str, recording: Recording, style: str) -> float | None:
    """The seconds that it took to get in and receive a look; None if that failed."""
    looked, started_s = asyncio.Event(), time.monotonic()
    connection = ConnectionFrom(url, NEWCOMER, on_grid=lambda *_: looked.set())
    track = Replay(recording, lambda *_: None)
    try:
        with contextlib.suppress(MVStylizerError, TimeoutError):
            async with asyncio.timeout(NEWCOMER_PATIENCE_S):
                await connection.open(track, size=recording.size, style=style)
                track.play(connection.video)
                await looked.wait()
                return time.monotonic() - started_s
        return None
    finally:
        track.stop()
        with contextlib.suppress(ConnectionError):
            await connection.close()
