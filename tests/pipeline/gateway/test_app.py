"""The gateway from outside: its page, its styles, the offers that it refuses, and its health."""

from io import BytesIO

import numpy as np
import pytest

from pipeline.contract import redis_keys
from pipeline.contract.image_codec import encode_jpeg
from pipeline.contract.messages import KeyFrame
from pipeline.queues.broker import connect
from pipeline.styles.catalog import shipped
from support.webrtc.good_offer import OFFER
from support.webrtc.peers import flat_answer, until


async def test_the_page_is_served_with_its_security_headers(running):
    async with running.http.get("/") as response:
        assert "page" in await response.text()
        assert response.content_type == "text/html"
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    async with running.http.get("/main.js") as response:
        assert response.content_type in ("text/javascript", "application/javascript")
        assert response.headers["ETag"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "status"),
    [("/nothing", 404), ("/styles/0.jpg", 404), ("/%2e%2e/x", 404), ("/..%2fx", 400), ("/main.js%00", 400)],
)
async def test_files_outside_the_page_are_not_found(shared_gateway, path, status):
    """A path with a second spelling is not read at all, either."""
    async with shared_gateway.http.get(path) as response:
        assert response.status == status
        assert set(await response.json()) == {"error"}


async def test_styles_are_listed_with_thumbnails(running):
    async with running.http.get("/styles") as response:
        styles = await response.json()
    async with running.http.get(styles[0]["thumbnail"]) as response:
        assert response.content_type == "image/jpeg"

    assert [style["name"] for style in styles] == [style.name for style in shipped()]
    assert [style["mood"] / 100 for style in styles] == [style.mood for style in shipped()]


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
    await running.hang_up()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "offer",
    [
        [], {}, "offer", OFFER | {"sdp": "v=0\r\n"}, OFFER | {"type": "answer"}, OFFER | {"sdp": 3},
        OFFER | {"sdp": ""}, OFFER | {"style": "no such"}, OFFER | {"style": None}, OFFER | {"width": 0},
        OFFER | {"width": "640"}, OFFER | {"height": 10**9}, OFFER | {"width": True},
        OFFER | {"sdp": "a=b\n" * 1000}, OFFER | {"sdp": "m=video\n" * 9}, OFFER | {"sdp": "x" * 40_000},
        OFFER | {"sdp": "v=0\r\no=- 0 0 IN IP4 0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"},
    ],
)  # fmt: skip
async def test_a_hostile_offer_gets_one_sentence_and_leaves_no_session(shared_gateway, offer):
    async with shared_gateway.http.post("/offer", json=offer) as response:
        assert response.status in (400, 413)
        assert (await response.json())["error"].endswith(".")

    assert shared_gateway.count("mvs_sessions") == 0


async def test_an_offer_from_a_form_of_another_site_is_refused(running):
    async with running.http.post("/offer", data="{}", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 415


async def test_without_a_worker_it_is_healthy_but_not_ready(running):
    async with running.http.get("/healthz") as response:
        assert response.status == 200
    async with running.http.get("/readyz") as response:
        assert response.status == 503
        assert "worker" in (await response.json())["waiting_for"]


async def test_answers_that_reach_nobody_are_counted(running, redis_url):
    key = redis_keys.results(running.gateway._settings.gateway_id)
    picture = encode_jpeg(np.zeros((8, 8, 3), np.uint8))
    stray = flat_answer(KeyFrame("gateway", "no such stream", 1, "style", False, picture))
    with connect(redis_url) as client:
        client.xadd(key, {"frame": b"not an answer"})
        client.xadd(key, {"frame": stray.pack()})

    await until(lambda: running.count("mvs_answers_dropped_total", reason="gone") == 1)

    assert running.count("mvs_answers_dropped_total", reason="unreadable") == 1
