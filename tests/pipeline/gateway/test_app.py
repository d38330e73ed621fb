"""The gateway from outside: HTTP, and real WebRTC peers through a real Redis."""

import asyncio
import threading
from io import BytesIO

import numpy as np
import psutil
import pytest
import redis

from pipeline.contract import redis_keys
from pipeline.contract.control import ErrorMessage, KeyFrameDropped, KeyFramePicked
from pipeline.contract.errors import Busy
from pipeline.contract.image_codec import encode_jpeg
from pipeline.contract.messages import KeyFrame
from pipeline.gateway import key_frame_flow, session
from pipeline.queues.broker import connect
from pipeline.styles.catalog import shipped
from support.paths import OFFERS
from support.peers import Client, Running, flat_answer, until

# HTTP


async def test_the_page_is_served_with_its_security_headers(running):
    async with running.http.get("/") as response:
        assert "page" in await response.text()
        assert response.content_type == "text/html"
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    async with running.http.get("/main.js") as response:
        assert response.content_type in ("text/javascript", "application/javascript")
        assert response.headers["ETag"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nothing", 404), ("/styles/0.jpg", 404), ("/%2e%2e/x", 404), ("/..%2fx", 400), ("/main.js%00", 400)],
)
async def test_files_outside_the_page_are_not_found(running, path, status):
    """A path with a second spelling is not read at all, either."""
    async with running.http.get(path) as response:
        assert response.status == status
        assert set(await response.json()) == {"error"}


async def test_styles_are_listed_with_thumbnails(running):
    async with running.http.get("/styles") as response:
        styles = await response.json()
    async with running.http.get(styles[0]["thumbnail"]) as response:
        assert response.content_type == "image/jpeg"

    assert [style["name"] for style in styles] == [style.name for style in shipped()]


async def test_an_uploaded_style_can_be_used_but_is_listed_nowhere(running):
    picture = encode_jpeg(np.full((64, 64, 3), 90, np.uint8))
    jpeg = {"Content-Type": "image/jpeg"}
    async with running.http.post("/styles?name=Beach", data=picture, headers=jpeg) as response:
        assert response.status == 201
        style = await response.json()
    async with running.http.get(style["thumbnail"]) as response:
        assert response.status == 200
    async with running.http.get("/styles") as response:
        assert style["id"] not in [s["id"] for s in await response.json()]

    assert style["name"] == "Beach"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"not a picture", "image/png", 400),
        (b"", "image/png", 400),
        (b"x", "text/plain", 415),
        (bytes(11_000_000), "image/png", 413),
    ],
)
async def test_a_bad_upload_gets_one_sentence(running, body, content_type, status):
    async with running.http.post("/styles", data=BytesIO(body), headers={"Content-Type": content_type}) as response:
        assert response.status == status
        assert (await response.json())["error"].endswith(".")


OFFER = (OFFERS / "aiortc.sdp").read_bytes().decode()
GOOD = {"type": "offer", "sdp": OFFER, "style": shipped()[0].id, "width": 640, "height": 360}


@pytest.mark.parametrize(
    "offer",
    [
        [], {}, "offer", GOOD | {"sdp": "v=0\r\n"}, GOOD | {"type": "answer"}, GOOD | {"sdp": 3}, GOOD | {"sdp": ""},
        GOOD | {"style": "no such"}, GOOD | {"style": None}, GOOD | {"width": 0}, GOOD | {"width": "640"},
        GOOD | {"height": 10**9}, GOOD | {"width": True},
        GOOD | {"sdp": "a=b\n" * 1000}, GOOD | {"sdp": "m=video\n" * 9}, GOOD | {"sdp": "x" * 40_000},
        GOOD | {"sdp": "v=0\r\no=- 0 0 IN IP4 0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"},
    ],
)  # fmt: skip
async def test_a_hostile_offer_gets_one_sentence_and_leaves_no_session(running, offer):
    async with running.http.post("/offer", json=offer) as response:
        assert response.status in (400, 413)
        assert (await response.json())["error"].endswith(".")

    assert running.count("mvs_sessions") == 0


async def test_an_offer_from_a_form_of_another_site_is_refused(running):
    async with running.http.post("/offer", data="{}", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 415


async def test_without_a_worker_it_is_healthy_but_not_ready(running):
    async with running.http.get("/healthz") as response:
        assert response.status == 200
    async with running.http.get("/readyz") as response:
        assert response.status == 503
        assert "worker" in (await response.json())["waiting_for"]


# sessions


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


async def test_answers_that_reach_nobody_are_counted(running, redis_url):
    key = redis_keys.results(running.gateway._settings.gateway_id)
    picture = encode_jpeg(np.zeros((8, 8, 3), np.uint8))
    stray = flat_answer(KeyFrame("gateway", "no such stream", 1, "style", False, picture))
    with connect(redis_url) as client:
        client.xadd(key, {"frame": b"not an answer"})
        client.xadd(key, {"frame": stray.pack()})

    await until(lambda: running.count("mvs_answers_dropped_total", reason="gone") == 1)

    assert running.count("mvs_answers_dropped_total", reason="unreadable") == 1


async def test_a_full_gateway_says_when_to_come_back(redis_url, web_root):
    async with Running(redis_url, web_root, max_sessions=1) as running:
        client = Client(running.url)
        await client.open()
        async with running.http.post("/offer", json=GOOD) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
        await client.close()


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


async def test_a_busy_gateway_refuses_before_it_makes_a_connection(redis_url, web_root, monkeypatch):
    async with Running(redis_url, web_root, cpu_budget=0.001) as running:
        client = Client(running.url)
        await client.open()
        monkeypatch.setattr("pipeline.gateway.open_sessions.Session", lambda **_: pytest.fail("a session was made"))
        async with running.http.post("/offer", json=GOOD) as response:
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
    client = Client(running.url)
    await client.open()
    await until(lambda: client.grids)

    monkeypatch.setattr(session, "SILENCE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(session, "WATCH_S", 0.05)
    client.camera.running.clear()

    await until(lambda: running.count("mvs_sessions") == 0)
    await client.close()


async def test_a_client_without_a_strip_gets_no_key_frames_and_is_counted(running, edge, monkeypatch):
    client = Client(running.url)
    monkeypatch.setattr("support.peers.stamp", lambda picture, _: np.concatenate([picture, picture[:16]]))
    await client.open()

    await until(lambda: running.count("mvs_frames_dropped_total", reason="strip") > 5)
    await client.close()

    assert not edge.seen
