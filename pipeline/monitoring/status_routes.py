"""The routes for operators: /metrics, /status and /status.json. They need the token."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from pipeline.monitoring.auth import COOKIE, SENTENCE, Access
from pipeline.monitoring.status import Board

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


PAGE = "/status"


class Operators:
    """Serves the routes for operators."""

    def __init__(
        self, access: Access, registry: CollectorRegistry, board: Board, *, page: bytes, executor: Executor
    ) -> None:
        """`page` is the HTML of /status; the text of /metrics is made in `executor`."""
        self.access = access
        self._registry, self._board, self._html, self._executor = registry, board, page, executor

    def attach(self, app: web.Application) -> None:
        for path, handler in (("/metrics", self._metrics), (PAGE, self._page), ("/status.json", self._state)):
            app.router.add_get(path, self._guarded(handler))

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            token, cookie = request.query.get("token", ""), request.cookies.get(COOKIE, "")
            if not self.access.granted(request.headers, cookie=cookie, query=token):
                raise web.HTTPUnauthorized(text=SENTENCE)
            if not self.access.opens(token):
                return await handler(request)
            response = await handler(request) if request.path != PAGE else _without_token(request)
            secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
            response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=secure)
            return response

        return guarded

    async def _metrics(self, request: web.Request) -> web.Response:
        """Answer in OpenMetrics if the Accept header prefers it, and otherwise in Prometheus' text format."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        text = await asyncio.get_running_loop().run_in_executor(self._executor, encode, self._registry)
        return web.Response(body=text, headers={"Content-Type": content_type})

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(body=self._html, content_type="text/html", charset="utf-8")

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self._board.state(), dumps=partial(json.dumps, allow_nan=False))


def _without_token(request: web.Request) -> web.Response:
    """Redirect to the same page without the token, so that it does not stay in the address and in the history.

    From now on the cookie opens the page.
    """
    page = request.rel_url.without_query_params("token")
    return web.Response(status=303, headers={"Location": str(page).removeprefix("/")})  # relative, for proxies' paths
