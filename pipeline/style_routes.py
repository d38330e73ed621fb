"""The HTTP side of styles: the gallery, its thumbnails, and photos that people bring."""
import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from aiohttp import web

from pipeline.style_store import StyleStore
from pipeline.styles import shipped, thumbnail

MAX_NAME_LETTERS = 80


class StyleRoutes:
    """`GET /styles`, `POST /styles` and `GET /styles/{id}.jpg`. Whatever blocks runs in `executor`."""

    def __init__(self, store: StyleStore, executor: Executor) -> None:
        self._store, self._executor = store, executor
        self._uploads = asyncio.Semaphore(1)  # decoding one picture may take 200 MB

    def attach(self, app: web.Application) -> None:
        app.router.add_get("/styles", self._list)
        app.router.add_post("/styles", self._add)
        app.router.add_get("/styles/{id}.jpg", self._thumbnail)

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response([_face(style.id, style.name) for style in shipped()])

    async def _add(self, request: web.Request) -> web.Response:
        if not request.content_type.startswith("image/"):
            raise web.HTTPUnsupportedMediaType(text="Send the picture itself, with its image/... content type.")
        data = await request.read()
        async with self._uploads:
            style_id = await self._blocking(self._store.add, data)
        name = request.query.get("name", "")[:MAX_NAME_LETTERS] or "My photo"
        return web.json_response(_face(style_id, name), status=201)

    async def _thumbnail(self, request: web.Request) -> web.Response:
        jpeg = await self._blocking(self._store.jpeg, request.match_info["id"])
        if jpeg is None:
            raise web.HTTPNotFound(text="No such style.")
        small = await self._blocking(thumbnail, jpeg)
        return web.Response(body=small, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    async def _blocking(self, function: Callable, *args: object) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)


def _face(style_id: str, name: str) -> dict:
    return {"id": style_id, "name": name, "thumbnail": f"/styles/{style_id}.jpg"}
