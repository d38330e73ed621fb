"""The HTTP routes of styles: the gallery, its thumbnails, and uploads of photos, which their senders may delete."""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import aiohttp
import redis
from aiohttp import web

from pipeline.basics.lru import LruCache
from pipeline.contract.errors import BadImage, BadMessage, Busy, PictureTooHard, TooLarge, TooSlow
from pipeline.contract.strict_json import read_object
from pipeline.http.responses import CLIENT
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.pictures.decode_client import PictureReader
from pipeline.pictures.fair_queue import Turns
from pipeline.pictures.upload_bodies import Bodies
from pipeline.styles.catalog import shipped, shipped_thumbnails
from pipeline.styles.store import StyleStore

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_NAME_LETTERS = 80
#: An id and a key with their names are 80 bytes.
MAX_DELETION_BYTES = 256
NOT_YOURS = "Only the browser that uploaded this photo can delete it, as long as the photo is here."
#: Decoding a picture may take most of a core and 400 MB for a second. On a small machine, streams need the other core.
READ_AT_ONCE = 2 if (os.cpu_count() or 1) >= 4 else 1
#: How many pictures may wait to be decoded, in all and of one address, and for how long.
WAITING, WAITING_EACH, WAIT_S = 16, 6, 15.0
#: How often the styles in use are compared with those whose leases were renewed, and how often all leases are renewed.
COMPARE_S, KEEP_S = 1.0, 30.0
#: How many thumbnails of 15 KB are cached. Redis is asked again after a minute, since the page learns from thumbnails
#: which photos still exist.
THUMBNAILS_CACHED, THUMBNAIL_CACHE_S = 256, 60.0
#: How many requests for thumbnails may wait for Redis at a time.
MAX_LOOKUPS = 32
#: A style's id is the hash of its content, so its thumbnail never changes.
CACHED_FOR_GOOD = "public, max-age=31536000, immutable"
#: The browser must ask each time, since an uploaded style may be gone.
CACHED_IF_THERE = "private, no-cache"


class StyleRoutes:
    """`GET` and `POST /styles`, `POST /styles/delete` and `GET /styles/{id}.jpg`.

    `live` is for aiohttp's cleanup contexts.

    Blocking calls have their own thread here, so that key frames never wait for them.
    """

    def __init__(self, store: StyleStore, metrics: GatewayMetrics, on_show: Callable[[], Collection[str]]) -> None:
        """`on_show` returns the ids of the styles that live sessions use."""
        self._store, self._outcomes, self._on_show = store, metrics.uploads, on_show
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="styles")
        self._bodies, self._reader = Bodies(), PictureReader()
        self._turns = Turns(at_once=READ_AT_ONCE, waiting=WAITING, waiting_each=WAITING_EACH, wait_s=WAIT_S)
        self._gallery = json.dumps(
            [_face(style.id, style.name) | {"mood": round(100 * style.mood)} for style in shipped()]
        )
        self._shipped = shipped_thumbnails()
        self._thumbnails: LruCache[str, tuple[float, bytes]] = LruCache(THUMBNAILS_CACHED)
        self._lookups = 0

    def attach(self, app: web.Application) -> None:
        app.cleanup_ctx.append(self.live)
        app.router.add_get("/styles", self._list)
        app.router.add_post("/styles", self._upload)
        app.router.add_post("/styles/delete", self._delete)
        app.router.add_get("/styles/{id}.jpg", self._thumbnail)

    async def live(self, app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._keep_shown())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._blocking(self._reader.close)
        self._thread.shutdown(cancel_futures=True)

    async def _keep_shown(self) -> None:
        """Renew, for ever, the leases of the styles that sessions use, so that no gateway's uploads replace them."""
        kept: set[str] = set()
        until_s = 0.0
        while True:
            shown = set(self._on_show())
            if shown and (shown != kept or time.monotonic() >= until_s):
                with contextlib.suppress(redis.RedisError):  # it is tried again in a second
                    await self._blocking(self._store.keep, shown)
                    kept, until_s = shown, time.monotonic() + KEEP_S
            await asyncio.sleep(COMPARE_S)

    async def _list(self, request: web.Request) -> web.Response:
        return web.Response(text=self._gallery, content_type="application/json")

    # Uploads

    async def _upload(self, request: web.Request) -> web.Response:
        outcome = "failed"
        try:
            key = secrets.token_urlsafe(16)
            style_id = await self._kept(request, key)
            outcome = "kept"
        except web.HTTPUnsupportedMediaType:
            outcome = "type"
            raise
        except TooLarge as error:
            outcome = "size"
            raise web.HTTPRequestEntityTooLarge(0, 0, text=str(error)) from None
        except TooSlow as error:
            outcome = "slow"
            raise web.HTTPRequestTimeout(text=str(error)) from None
        except (aiohttp.ClientError, ConnectionError, web.RequestPayloadError):
            outcome = "left"
            raise web.HTTPBadRequest(text="The picture did not arrive whole.") from None
        except BadImage as error:
            outcome = "limit" if isinstance(error, PictureTooHard) else "picture"
            raise
        except Busy:
            outcome = "busy"
            raise
        finally:
            self._outcomes.labels(outcome).inc()
        name = request.query.get("name", "")[:MAX_NAME_LETTERS] or "My photo"
        return web.json_response(_face(style_id, name) | {"key": key}, status=201)

    async def _kept(self, request: web.Request, key: str) -> str:
        if not request.content_type.startswith("image/"):
            raise web.HTTPUnsupportedMediaType(text="Send the picture itself, with its image/... content type.")
        address = request[CLIENT]
        async with self._bodies.received(request, address) as data, self._turns.turn(address):
            files = await self._reader.read(data)
        return await self._blocking(self._store.save, files, key)

    async def _delete(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="Send JSON.")
        style_id, key = _deletion(await request.text())
        if not await self._blocking(self._store.delete, style_id, key):
            raise web.HTTPForbidden(text=NOT_YOURS)
        self._thumbnails.discard(style_id)
        return web.json_response({})

    # Thumbnails

    async def _thumbnail(self, request: web.Request) -> web.Response:
        style_id = request.match_info["id"]
        if jpeg := self._shipped.get(style_id):
            return _picture(request, style_id, jpeg, CACHED_FOR_GOOD)
        jpeg = await self._uploaded_thumbnail(style_id)
        if jpeg is None:
            raise web.HTTPNotFound(text="No such style.")
        return _picture(request, style_id, jpeg, CACHED_IF_THERE)

    async def _uploaded_thumbnail(self, style_id: str) -> bytes | None:
        now_s = time.monotonic()
        cached = self._thumbnails.get(style_id)
        if cached and now_s - cached[0] < THUMBNAIL_CACHE_S:
            return cached[1]
        if self._lookups >= MAX_LOOKUPS:
            raise Busy("Too many pictures are asked for; try again in a moment.")
        self._lookups += 1
        try:
            jpeg = await self._blocking(self._store.thumbnail, style_id)
        finally:
            self._lookups -= 1
        if jpeg is None:
            self._thumbnails.discard(style_id)
        else:
            self._thumbnails.put(style_id, (now_s, jpeg))
        return jpeg

    async def _blocking(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)


def _deletion(text: str) -> tuple[str, str]:
    """Return the id and the key in a request to delete a style."""
    try:
        wanted = read_object(text, allow_repeats=False)
    except BadMessage as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    style_id, key = wanted.get("id"), wanted.get("key")
    if not (isinstance(style_id, str) and isinstance(key, str) and key):
        raise web.HTTPBadRequest(text="Send the id and the key that came with the upload.")
    return style_id, key


def _picture(request: web.Request, style_id: str, jpeg: bytes, cached: str) -> web.Response:
    """Return a response with a picture, or 304 if the browser has it: an id always means the same picture."""
    headers = {"Cache-Control": cached, "ETag": f'"{style_id}"'}
    if any(tag.value in (style_id, "*") for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=jpeg, content_type="image/jpeg", headers=headers)


def _face(style_id: str, name: str) -> dict:
    return {"id": style_id, "name": name, "thumbnail": f"/styles/{style_id}.jpg"}
