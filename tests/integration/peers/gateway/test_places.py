"""How many clients a gateway lets in, and what the others are told."""

import asyncio

import pytest

from pipeline.contract.errors import Busy
from support.webrtc.good_offer import OFFER
from support.webrtc.peers import Client, Running


async def test_a_full_gateway_says_when_to_come_back(redis_url, web_root):
    async with Running(redis_url, web_root, max_sessions=1) as running:
        client = Client(running.url)
        await client.open()
        async with running.http.post("/offer", json=OFFER) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
        await client.close()


async def test_a_busy_gateway_refuses_before_it_makes_a_connection(redis_url, web_root, monkeypatch):
    async with Running(redis_url, web_root, cpu_budget=0.001) as running:
        client = Client(running.url)
        await client.open()
        monkeypatch.setattr("pipeline.gateway.open_sessions.Session", lambda **_: pytest.fail("a session was made"))
        async with running.http.post("/offer", json=OFFER) as response:
            assert response.status == 503
            assert "hands full with 1" in (await response.json())["error"]
        await client.close()


async def test_places_are_not_given_twice_however_many_come_at_once(redis_url, web_root):
    async with Running(redis_url, web_root, max_sessions=2) as running:
        clients = [Client(running.url) for _ in range(5)]
        opened = await asyncio.gather(*(client.open() for client in clients), return_exceptions=True)

        assert sum(isinstance(result, str) for result in opened) == 2
        assert sum(isinstance(result, Busy) for result in opened) == 3
        await asyncio.gather(*(client.close() for client in clients))
