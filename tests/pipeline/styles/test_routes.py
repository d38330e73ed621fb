"""Uploads and thumbnails from outside: a gateway, its process that reads pictures, and a real Redis."""

import asyncio
from io import BytesIO

import aiohttp
import numpy as np
import pytest

from pipeline.contract import redis_keys
from pipeline.contract.image_codec import decode_image, encode_jpeg
from pipeline.pictures import upload_bodies
from pipeline.pictures.decode import StyleFiles
from pipeline.queues.broker import connect
from pipeline.styles import routes
from pipeline.styles.catalog import shipped
from pipeline.styles.store import StyleStore
from support.pictures import bombs
from support.webrtc.peers import until

JPEG = {"Content-Type": "image/jpeg"}
PHOTO = encode_jpeg(np.full((64, 64, 3), 90, np.uint8))


async def test_what_became_of_uploads_is_counted(running):
    await running.upload(PHOTO)
    await running.upload(b"no picture")
    async with running.http.post("/styles", data=PHOTO, headers={"Content-Type": "text/plain"}):
        pass
    async with running.http.post("/styles", data=BytesIO(bytes(10_000_001)), headers=JPEG) as response:
        assert response.status == 413
    await running.hang_up()

    assert [running.count("mvs_uploads_total", outcome=outcome) for outcome in ("kept", "picture", "type", "size")] == [
        1,
        1,
        1,
        1,
    ]


async def test_a_sender_who_leaves_or_stands_still_is_counted_and_nothing_is_held(running, monkeypatch):
    async def half(wait: asyncio.Event):
        yield PHOTO
        await wait.wait()

    unfinished = {**JPEG, "Content-Length": str(2 * len(PHOTO))}

    async def post() -> int:
        async with aiohttp.ClientSession(running.url) as http:
            async with http.post("/styles", data=half(asyncio.Event()), headers=unfinished) as response:
                return response.status

    leaves = asyncio.create_task(post())
    bodies = running.gateway._style_routes._bodies
    await until(lambda: bodies.held_bytes)
    leaves.cancel()
    await until(lambda: running.count("mvs_uploads_total", outcome="left"))
    monkeypatch.setattr(upload_bodies, "IDLE_S", 0.05)

    assert await post() == 408
    assert running.count("mvs_uploads_total", outcome="slow") == 1
    assert bodies.held_bytes == 0


async def test_many_at_once_are_read_one_after_another_or_told_to_come_back(running):
    answers = await asyncio.gather(*(running.upload(PHOTO) for _ in range(30)))

    assert {status for status, _ in answers} == {201, 503}
    assert running.count("mvs_uploads_total", outcome="busy") == sum(status == 503 for status, _ in answers)


async def test_an_upload_for_which_there_is_no_place_is_refused_with_a_sentence(running, redis_url, monkeypatch):
    monkeypatch.setattr(redis_keys, "STYLES_MAX", 1)
    with connect(redis_url) as connection:
        store = StyleStore(connection)
        shown = store.save(StyleFiles(PHOTO, PHOTO))
        store.keep({shown})

    status, answer = await running.upload(bombs.png(8, 8))

    assert status == 503 and "looks on show" in answer["error"]


# deletion


async def test_an_upload_is_deleted_with_its_key_only_and_gone_at_once(running):
    _, own = await running.upload(PHOTO)
    path = own["thumbnail"]

    async def answer(body: object, **headers: str) -> int:
        async with running.http.post("/styles/delete", json=body, headers=headers) as response:
            assert response.status == 200 or (await response.json())["error"].endswith(".")
            return response.status

    async def thumbnail() -> int:
        async with running.http.get(path) as response:
            return response.status

    assert await thumbnail() == 200
    bodies = [{"id": own["id"], "key": "guessed"}, {"id": own["id"]}, {"id": own["id"], "key": ""}, [1]]
    assert [await answer(body) for body in bodies] == [403, 400, 400, 400]
    assert await answer({"id": shipped()[0].id, "key": own["key"]}) == 403
    assert await answer({"id": own["id"], "key": own["key"]}, Origin="https://elsewhere.example") == 403
    assert await answer({"id": own["id"], "key": "x" * 300}) == 413
    assert await thumbnail() == 200

    assert await answer({"id": own["id"], "key": own["key"]}) == 200
    assert await thumbnail() == 404


# thumbnails


async def test_thumbnails_cost_no_thread_and_are_not_sent_twice(running, monkeypatch):
    """Before, each was decoded and encoded anew in the threads that key frames need."""
    _, own = await running.upload(PHOTO)
    async with running.http.get(own["thumbnail"]) as response:
        assert decode_image(await response.read()).shape == (64, 64, 3)
    for executor in (running.gateway._executor, running.gateway._style_routes._thread):
        monkeypatch.setattr(executor, "submit", lambda function, *_: pytest.fail(f"{function} runs in a thread"))

    for path in (own["thumbnail"], f"/styles/{shipped()[0].id}.jpg"):
        async with running.http.get(path) as response:
            assert response.status == 200 and response.content_type == "image/jpeg"
            tag = response.headers["ETag"]
        async with running.http.get(path, headers={"If-None-Match": tag}) as response:
            assert response.status == 304 and not await response.read()
    monkeypatch.undo()


async def test_thumbnails_of_the_shipped_styles_stay_with_the_browser(running):
    async with running.http.get(f"/styles/{shipped()[0].id}.jpg") as response:
        assert "immutable" in response.headers["Cache-Control"]
        assert max(decode_image(await response.read()).shape) == 240


async def test_a_photo_that_is_gone_is_not_found_a_minute_later(running, redis_url, monkeypatch):
    _, own = await running.upload(PHOTO)
    async with running.http.get(own["thumbnail"]) as response:
        assert response.status == 200
    with connect(redis_url) as connection:
        connection.delete(redis_keys.thumbnail(own["id"]))
    monkeypatch.setattr(routes, "THUMBNAIL_CACHE_S", 0.0)

    async with running.http.get(own["thumbnail"], headers={"If-None-Match": f'"{own["id"]}"'}) as response:
        assert response.status == 404


async def test_a_flood_of_unknown_thumbnails_waits_in_no_long_line(running, monkeypatch):
    monkeypatch.setattr(routes, "MAX_LOOKUPS", 2)

    async def status(index: int) -> int:
        async with running.http.get(f"/styles/{index:016x}.jpg") as response:
            return response.status

    assert set(await asyncio.gather(*(status(index) for index in range(40)))) <= {404, 503}
    assert await status(0) == 404
