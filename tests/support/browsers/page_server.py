"""Serves the page's files as the gateway does, and only as much of a gateway as the page needs to appear."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from pipeline.contract.image_codec import encode_jpeg
from pipeline.http.responses import SECURITY_HEADERS
from support.browsers.chromium import photo
from support.paths import WEB

STYLES = [{"id": name.lower(), "name": name, "thumbnail": "/photo.jpg"} for name in ("Dusk", "Snow", "Autumn")]


class PageServer:
    """Has three styles, and refuses every offer and every photo with `refusal`, unless a test sets something else."""

    def __init__(self) -> None:
        self.refusal = "All places are taken."
        self.answer: str | None = None  # the SDP of the answer to an offer; None refuses offers
        self.retry_after_s: float | None = None  # None names no time to come back
        self.styles_answer: list | None = STYLES  # None answers with a server error
        self.accepts_photos = True
        self.status_answer: dict | None = {}  # None answers that the visitor is no operator
        self.config: dict = {"iceServers": [], "strip_rows": 16}
        self.offers: list[dict] = []
        self.photos: list[tuple[str, bytes]] = []
        self.deleted: list[dict] = []
        app = web.Application(client_max_size=20 << 20)
        app.router.add_get("/config", self._config)
        app.router.add_get("/styles", self._styles)
        app.router.add_post("/styles", self._photo)
        app.router.add_post("/styles/delete", self._delete)
        app.router.add_post("/offer", self._offer)
        app.router.add_get("/status.json", self._status)
        app.router.add_get("/photo.jpg", self._thumbnail)
        app.router.add_get("/status", self._status_page)
        app.router.add_get("/", self._file)
        app.router.add_get("/{name:.+}", self._file)
        app.on_response_prepare.append(self._secure)
        self._server = TestServer(app)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["PageServer"]:
        async with self._server:
            yield self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def port(self) -> int:
        return self._server.port

    async def _secure(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(SECURITY_HEADERS)

    async def _config(self, request: web.Request) -> web.Response:
        return web.json_response(self.config)

    async def _styles(self, request: web.Request) -> web.Response:
        return web.json_response(self.styles_answer or {}, status=500 if self.styles_answer is None else 200)

    async def _photo(self, request: web.Request) -> web.Response:
        self.photos.append((request.query["name"], await request.read()))
        if not self.accepts_photos:
            return web.json_response({"error": self.refusal}, status=400)
        style = {"id": f"photo-{len(self.photos)}", "name": request.query["name"], "thumbnail": "/photo.jpg"}
        style["key"] = f"key of {style['id']}"
        return web.json_response(style, status=201)

    async def _delete(self, request: web.Request) -> web.Response:
        self.deleted.append(await request.json())
        return web.json_response({})

    async def _offer(self, request: web.Request) -> web.Response:
        self.offers.append(await request.json())
        if self.answer is not None:
            return web.json_response({"type": "answer", "sdp": self.answer, "stream_id": "0"})
        headers = None if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return web.json_response({"error": self.refusal}, status=503, headers=headers)

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(self.status_answer, status=401 if self.status_answer is None else 200)

    async def _status_page(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(WEB / "status" / "status.html")

    async def _thumbnail(self, request: web.Request) -> web.Response:
        return web.Response(body=encode_jpeg(photo(96, 96)), content_type="image/jpeg")

    async def _file(self, request: web.Request) -> web.FileResponse:
        path = WEB / request.match_info.get("name", "index.html")
        if not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path)
