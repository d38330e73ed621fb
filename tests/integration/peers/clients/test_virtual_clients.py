"""Clients of a load test on a real gateway, in this process."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from clients.load import virtual_clients
from clients.load.recording import Recording, record
from clients.load.virtual_clients import Plan, VirtualClients
from pipeline.contract.control import FrameRequest, Pace
from pipeline.contract.errors import Busy
from pipeline.styles.catalog import shipped
from support.webrtc.peers import Running, paced_by_the_test, until


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record(None, (128, 72), fps=10, frames=130)


def plan(url: str, recording: Recording, clients: int, rate: float | None = 2) -> Plan:
    return Plan(url, shipped()[0].id, (recording,), rate, clients, ramp_s=0, seconds=1e6, start_s=time.monotonic())


@asynccontextmanager
async def living(clients: VirtualClients) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(client.live()) for client in clients.clients.values()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_clients_ask_for_looks_and_count_them(redis_url, tmp_path, edge, recording, monkeypatch):
    monkeypatch.setattr(virtual_clients, "SETTLE_S", 0.0)
    async with Running(redis_url, tmp_path, key_frame_interval_s=0.5) as running:
        clients = VirtualClients(plan(running.url, recording, 2), range(2))
        tasks = [asyncio.create_task(client.live()) for client in clients.clients.values()]

        await until(lambda: all(client.answers >= 3 for client in clients.clients.values()))
        report = clients._take()
        assert report.live == 2 and report.served >= 3 and report.frames >= 20
        assert running.count("mvs_key_frames_total", reason="asked") >= 4

        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert clients._take().live == 0


async def test_a_client_that_is_refused_waits_and_comes_in(redis_url, tmp_path, edge, recording, monkeypatch):
    monkeypatch.setattr(Busy.__init__, "__defaults__", (1.0,))
    monkeypatch.setattr(virtual_clients, "SETTLE_S", 0.0)
    async with Running(redis_url, tmp_path, max_sessions=1) as running:
        clients = VirtualClients(plan(running.url, recording, 2), range(2))
        first, second = (asyncio.create_task(client.live()) for client in clients.clients.values())
        await until(lambda: clients._counters.refused >= 1)

        await until(lambda: sum(client.answers for client in clients.clients.values()) >= 1)
        inside = first if clients.clients[0].answers else second
        outside = clients.clients[1 if inside is first else 0]
        inside.cancel()

        await until(lambda: outside.answers >= 1)
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


async def test_clients_that_ask_for_nothing_count_what_the_gateway_picks(
    redis_url, tmp_path, edge, recording, monkeypatch
):
    monkeypatch.setattr(virtual_clients, "SETTLE_S", 0.0)
    async with Running(redis_url, tmp_path) as running:
        clients = VirtualClients(plan(running.url, recording, 2, rate=None), range(2))
        async with living(clients):
            await until(lambda: all(client.answers >= 3 for client in clients.clients.values()))
            report = clients._take()

        assert report.served >= 6 and report.lost == 0 and max(report.latencies_us) < 2e6
        assert min(report.answers_of.values()) >= 3
        assert report.said == 0 and report.heard >= 6  # the announcements
        assert 0 < len(report.ages_us) < report.shown == report.frames and report.sent_bytes > 0
        assert running.count("mvs_key_frames_total", reason="asked") == 0


async def test_clients_send_as_many_frames_as_the_gateway_wants(redis_url, tmp_path, edge, recording, monkeypatch):
    """And any other that it asks for."""
    say = paced_by_the_test(monkeypatch)
    monkeypatch.setattr(virtual_clients, "SETTLE_S", 0.0)
    async with Running(redis_url, tmp_path) as running:
        clients = VirtualClients(plan(running.url, recording, 1, rate=None), range(1))
        async with living(clients):
            await until(lambda: clients._counters.frames >= 3)
            say(running, Pace(2.5))
            await until(lambda: clients._counters.shown > clients._counters.frames)
            clients._take()
            await until(lambda: clients._counters.shown == 12)
            assert clients._counters.frames == 3  # of 10 frames a second, every fourth
            await until(lambda: clients._counters.frames == 4)  # the next one is not due
            shown = clients._counters.shown
            say(running, FrameRequest())
            await until(lambda: clients._counters.frames == 5)
            assert clients._counters.shown <= shown + 2


async def test_key_frames_that_nobody_answers_are_lost(redis_url, tmp_path, recording, monkeypatch):
    """There is no edge."""
    monkeypatch.setattr(virtual_clients, "SETTLE_S", 0.0)
    async with Running(redis_url, tmp_path) as running:
        clients = VirtualClients(plan(running.url, recording, 1, rate=None), range(1))
        async with living(clients):
            await until(lambda: clients._counters.lost >= 1)

        assert clients._counters.lost == running.key_frames()
        assert clients._counters.latencies_us == [virtual_clients.LONGEST_US] * clients._counters.lost
