"""Clients of a load test on a real gateway, in this process."""

import asyncio
import time

import pytest

from clients.load import virtual_clients
from clients.load.recording import Recording, record
from clients.load.virtual_clients import Plan, VirtualClients
from pipeline.contract.errors import Busy
from pipeline.styles.catalog import shipped
from support.peers import Running, until


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record(None, (128, 72), fps=10, frames=130)


def plan(url: str, recording: Recording, clients: int) -> Plan:
    return Plan(url, shipped()[0].id, (recording,), 2, clients, ramp_s=0, seconds=1e6, start_s=time.monotonic())


async def test_clients_ask_for_looks_and_count_them(redis_url, tmp_path, edge, recording, monkeypatch):
    monkeypatch.setattr(virtual_clients, "SETTLE_S", 0.0)
    async with Running(redis_url, tmp_path) as running:
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
