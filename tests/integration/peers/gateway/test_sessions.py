"""Sessions of a gateway: real WebRTC peers through a real Redis."""

import asyncio
import threading

import numpy as np
import psutil
import pytest
import redis

from pipeline.contract import redis_keys
from pipeline.contract.control import ErrorMessage, KeyFrameDropped, KeyFramePicked
from pipeline.gateway import key_frame_flow, session
from pipeline.styles.catalog import shipped
from support.webrtc.peers import Client, until


async def test_a_camera_is_stylized(running, edge):
    client = Client(running.url)
    stream_id = await client.open()

    await until(lambda: len(client.grids) >= 3)
    await client.close()

    assert np.allclose(client.colours(), (200, 40, 90), atol=6)
    assert {frame.stream_id for frame in edge.seen} == {stream_id}
    assert [picked.reason for picked in client.of(KeyFramePicked)][:2] == ["first", "interval"]
    announced = [picked.frame_id for picked in client.of(KeyFramePicked)]
    assert [h["frame_id"] for h in client.headers] == announced[: len(client.headers)]


async def test_two_clients_never_see_each_others_pictures(running, edge):
    clients = [Client(running.url, (220, 30, 30), (320, 240)), Client(running.url, (30, 30, 220), (192, 256))]
    styles = [style.id for style in shipped()[:2]]
    for client, style in zip(clients, styles):
        await client.open(style)

    await until(lambda: min(len(client.grids) for client in clients) >= 4)
    for client in clients:
        await client.close()

    assert np.allclose(clients[0].colours(), (220, 30, 30), atol=8)
    assert np.allclose(clients[1].colours(), (30, 30, 220), atol=8)
    for client, style in zip(clients, styles):
        assert {header["style_id"] for header in client.headers} == {style}


async def test_a_style_changes_while_the_video_runs(running, edge):
    client = Client(running.url)
    await client.open(shipped()[0].id)
    await until(lambda: client.headers)

    client.connection.control.send(f'{{"type": "style", "style": "{shipped()[1].name}"}}')
    await until(lambda: client.headers[-1]["style_id"] == shipped()[1].id)
    await client.close()

    assert "style" in [picked.reason for picked in client.of(KeyFramePicked)]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"type": "quit"}', '{"type": "style"}', '{"type": "style", "style": 3}', b"bytes",
             '{"type": "size", "width": -1, "height": 3}', "x" * 5000, "[" * 3000, '{"type": ["a"]}',
             '{"type": "key_frame", "frame_id": 65536}', '{"type": "key_frame", "frame_id": "1"}'],
)  # fmt: skip
async def test_a_control_message_that_makes_no_sense_is_answered_and_does_no_harm(running, edge, text):
    client = Client(running.url)
    await client.open()
    await until(lambda: client.connection.control.readyState == "open")

    client.connection.control.send(text)

    await until(lambda: client.of(ErrorMessage))
    await until(lambda: client.grids)
    await client.close()


async def test_unanswered_key_frames_are_given_up_and_leave_the_queue(running, monkeypatch):
    """Without an edge, two are in flight at most, each is dropped after its deadline, and none are left over."""
    monkeypatch.setattr(redis_keys, "KEY_FRAME_DEADLINE_MS", 300)
    client = Client(running.url)
    await client.open()

    await until(lambda: len(client.of(KeyFrameDropped)) >= 3)
    queued = await asyncio.to_thread(lambda: running.gateway._broker._queue.count)
    await client.close()

    assert {dropped.reason for dropped in client.of(KeyFrameDropped)} == {"deadline"}
    assert queued <= 2
    assert running.count("mvs_key_frames_dropped_total", reason="deadline") >= 3


async def test_a_redis_that_hangs_does_not_fill_the_gateway_with_pictures(running, edge, monkeypatch):
    client, hangs, calls = Client(running.url), threading.Event(), []

    def submit(frame):
        calls.append(frame)
        assert hangs.wait(30)
        raise redis.TimeoutError

    monkeypatch.setattr(running.gateway._broker, "submit", submit)
    monkeypatch.setattr(redis_keys, "KEY_FRAME_DEADLINE_MS", 100)
    await client.open()
    await until(lambda: running.count("mvs_key_frames_dropped_total", reason="deadline") >= 2)
    frames = running.count("mvs_frames_received_total")
    await until(lambda: running.count("mvs_frames_received_total") > frames + 30)

    assert len(calls) == key_frame_flow.MAX_SUBMITTING == running.key_frames()
    monkeypatch.undo()
    hangs.set()
    await until(lambda: client.grids)
    await client.close()


async def test_a_client_that_leaves_is_forgotten(running, edge):
    client = Client(running.url)
    await client.open()
    await until(lambda: client.grids)
    assert running.count("mvs_sessions") == 1

    await client.close()

    await until(lambda: running.count("mvs_sessions") == 0)


async def test_sessions_leave_no_socket_and_no_thread_behind(running, edge):
    async def visit() -> None:
        client = Client(running.url)
        await client.open()
        await until(lambda: client.grids)
        await client.close()
        await until(lambda: running.count("mvs_sessions") == 0)

    await visit()  # what is made once
    fds, threads = psutil.Process().num_fds(), threading.enumerate()
    for _ in range(5):
        await visit()

    await until(lambda: psutil.Process().num_fds() <= fds)
    assert not [thread for thread in threading.enumerate() if "decoder" in thread.name and thread not in threads]


async def test_a_client_that_falls_silent_is_forgotten(running, edge, monkeypatch):
    monkeypatch.setattr(session, "WATCH_S", 0.05)
    client = Client(running.url)
    await client.open()
    await until(lambda: client.grids)

    monkeypatch.setattr(session, "SILENCE_TIMEOUT_S", 0.5)
    client.camera.running.clear()

    await until(lambda: running.count("mvs_sessions") == 0)
    await client.close()


async def test_a_client_without_a_strip_gets_no_key_frames_and_is_counted(running, edge, monkeypatch):
    client = Client(running.url)
    monkeypatch.setattr("support.webrtc.peers.stamp", lambda picture, _: np.concatenate([picture, picture[:16]]))
    await client.open()

    await until(lambda: running.count("mvs_frames_dropped_total", reason="strip") > 5)
    await client.close()

    assert not edge.seen
