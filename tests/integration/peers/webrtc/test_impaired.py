"""A live session over a bad network: a round trip of 200 ms, 3 % loss each way, and a second without any datagram."""

import asyncio
import threading

import pytest

from pipeline.contract.control import KeyFramePicked
from support.pictures.grids import lifelike_grid
from support.webrtc.impairment import Impaired
from support.webrtc.peers import FPS, Client, FlatEdge, Running, until


@pytest.fixture
def edge(redis_url):
    edge = FlatEdge(redis_url, under=lifelike_grid())  # an answer is as many packets as a real one
    yield edge
    edge.close()


def sent_answers(running: Running) -> float:
    return running.count("mvs_answers_sent_total")


async def test_every_message_arrives_late_and_nothing_stalls(running, edge):
    async with Impaired(running.url, delay_s=0.1, loss=0.03) as path:
        client = Client(path.url)
        await client.open()
        await until(lambda: len(client.grids) >= 10, timeout_s=60)

        client.camera.running.clear()
        await until(lambda: len(client.of(KeyFramePicked)) == running.key_frames())
        await until(lambda: len(client.grids) == sent_answers(running) >= 10)
        await client.close()

    announced = [picked.frame_id for picked in client.of(KeyFramePicked)]
    assert path.lost > 0
    assert len(set(announced)) == len(announced) == running.key_frames()
    assert {header["frame_id"] for header in client.headers} <= set(announced) <= set(range(client.camera.count))
    await until(lambda: running.count("mvs_sessions") == 0)


async def test_a_second_without_network_costs_key_frames_and_nothing_else(running, edge):
    async with Impaired(running.url, delay_s=0.1, loss=0.03) as path:
        client = Client(path.url)
        await client.open()
        await until(lambda: len(client.grids) >= 3, timeout_s=60)

        path.outage, before = True, client.camera.count
        await until(lambda: client.camera.count >= before + FPS)
        missed, path.outage = len(client.grids), False
        # The first answers may still be of frames from within the outage, since lost packets are sent again.
        await until(lambda: client.headers[-1]["frame_id"] > before + FPS, timeout_s=60)
        await until(lambda: len(client.grids) >= missed + 5, timeout_s=60)
        await client.close()

    assert running.count("mvs_key_frames_dropped_total", reason="error") == 0


async def test_what_a_session_started_ends_with_it(running, edge):
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    for _ in range(3):
        async with Impaired(running.url, delay_s=0.02, loss=0.03) as path:
            client = Client(path.url)
            await client.open()
            await until(lambda: client.grids)
            await client.close()
            await until(lambda: running.count("mvs_sessions") == 0)

    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert threading.active_count() <= threads + 3  # those of the executors, which stay
