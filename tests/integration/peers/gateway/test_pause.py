"""Clients that nobody looks at for a while, and clients that come back over another network."""

from collections.abc import Callable

import pytest

from pipeline.contract.control import KeyFramePicked, PauseChange
from pipeline.gateway import session
from support.webrtc.good_offer import OFFER
from support.webrtc.peers import Client, Running, until


async def paused(client: Client, running: Running) -> None:
    """Have a client with a look stop its camera and say so, and wait until the gateway knows."""
    await until(lambda: client.grids)
    client.camera.running.clear()
    client.connection.send(PauseChange(True))
    await until(lambda: all(session.is_paused for session in running.gateway._sessions.values()))


async def resume(client: Client) -> None:
    client.connection.send(PauseChange(False))
    client.camera.running.set()


def ages(running: Running) -> Callable[[], list[float | None]]:
    return lambda: [stream.age_s for stream in running.gateway.watch.board._samples[-1].streams]


async def test_a_paused_client_is_waited_for_and_no_trouble_to_operators(running, edge, monkeypatch):
    monkeypatch.setattr(session, "WATCH_S", 0.05)
    client = Client(running.url)
    await client.open()
    await paused(client, running)
    monkeypatch.setattr(session, "SILENCE_TIMEOUT_S", 0.2)

    await until(lambda: len(client.heard) > 20)  # signs of life, one in 0.05 s
    await until(lambda: ages(running)() == [None])

    assert running.count("mvs_sessions") == 1
    await client.close()


async def test_a_pause_does_not_last_for_ever(running, edge, monkeypatch):
    monkeypatch.setattr(session, "WATCH_S", 0.05)
    client = Client(running.url)
    await client.open()
    await paused(client, running)

    monkeypatch.setattr(session, "PAUSE_TIMEOUT_S", 0.2)

    await until(lambda: running.count("mvs_sessions") == 0)
    await client.close()


async def test_the_first_frame_after_a_pause_becomes_a_key_frame_and_its_look_is_not_late(running, edge):
    client = Client(running.url)
    await client.open()
    await paused(client, running)
    picked, late = len(client.of(KeyFramePicked)), running.count("mvs_look_age_seconds_sum")
    running.gateway._sessions[next(iter(running.gateway._sessions))].stats.shown_s -= 1000  # a long pause

    await resume(client)
    await until(lambda: len(client.of(KeyFramePicked)) > picked)
    answers = len(client.grids)
    await until(lambda: len(client.grids) > answers)

    assert client.of(KeyFramePicked)[picked].reason in ("asked", "cut")
    assert running.count("mvs_look_age_seconds_sum") - late < 100
    await client.close()


async def test_what_comes_in_a_pause_is_neither_looked_at_nor_scheduled(running, edge):
    client = Client(running.url)
    await client.open()
    await paused(client, running)
    frames, seen = running.count("mvs_frames_received_total"), len(edge.seen)

    client.camera.running.set()  # although it says that it pauses
    sent = client.camera.count
    await until(lambda: client.camera.count > sent + 30)

    assert running.count("mvs_frames_received_total") == frames and len(edge.seen) <= seen + 1  # one was on its way
    assert running.gateway._sessions.turns.waiting == 0
    await client.close()


async def test_a_paused_client_makes_room_when_somebody_else_needs_it(redis_url, web_root, edge):
    async with Running(redis_url, web_root, max_sessions=1) as running:
        client = Client(running.url)
        await client.open()
        await until(lambda: client.grids)
        async with running.http.post("/offer", json=OFFER) as response:
            assert response.status == 503
        await paused(client, running)
        running.gateway._sessions[next(iter(running.gateway._sessions))].began_s -= 60

        async with running.http.post("/offer", json=OFFER) as response:
            assert response.status == 200
        await until(client.connection.lost.is_set)
        await client.close()


@pytest.mark.parametrize("offer", [{}, {"replaces": "0123456789abcdef"}, {"replaces": ""}, {"replaces": None}])
async def test_only_who_knows_a_streams_id_can_take_its_place(redis_url, web_root, edge, offer):
    async with Running(redis_url, web_root, max_sessions=1) as running:
        client = Client(running.url)
        stream_id = await client.open()
        await until(lambda: client.grids)

        async with running.http.post("/offer", json=OFFER | offer) as response:
            assert response.status == 503
        assert not client.connection.lost.is_set()

        async with running.http.post("/offer", json=OFFER | {"replaces": stream_id}) as response:
            assert response.status == 200
        assert running.count("mvs_sessions") == 1 and stream_id not in running.gateway._sessions
        await until(client.connection.lost.is_set)
        await client.close()


@pytest.mark.parametrize("replaces", [7, ["0123456789abcdef"], "x" * 65, {"id": "x"}])
async def test_an_offer_that_replaces_nonsense_is_refused(running, replaces):
    async with running.http.post("/offer", json=OFFER | {"replaces": replaces}) as response:
        assert response.status == 400
