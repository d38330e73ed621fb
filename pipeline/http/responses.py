"""Makes the gateway's responses: refusals of one sentence, and the security headers of every response."""

import json
import logging
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import redis
from aiohttp import web

from pipeline.contract.errors import BadImage, BadOffer, Busy
from pipeline.http.head import METHODS, RequestRefused
from pipeline.http.other_sites import OtherSites

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The key under which a request holds its client, as budgets know it: an IPv4 address or an IPv6 network.
CLIENT = web.RequestKey("client", str)
RETRY_AFTER_S = 5
POLICY = "Content-Security-Policy"
SECURITY_HEADERS = {
    POLICY: "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Permissions-Policy": "camera=(self), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    "Server": "mvstylizer",
}


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into responses with {"error": one sentence}. Stack traces are only logged."""
    try:
        return await handler(request)
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        sentence = error.text or ""
        is_ours = sentence.endswith(".")  # aiohttp's own texts are like "404: Not Found"
        return refusal(error.status, sentence if is_ours else f"{error.reason}.")
    except (BadOffer, BadImage) as error:
        return refusal(400, str(error))
    except Busy as error:
        return refusal(503, str(error), error.retry_after_s)
    except redis.RedisError:
        return refusal(503, "Redis does not answer; try again in a moment.")
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        return refusal(500, "Something went wrong here; it has been logged.")


def refusal(status: int, sentence: str, retry_after_s: float = RETRY_AFTER_S) -> web.Response:
    return web.json_response({"error": sentence}, status=status, headers=extra_headers(status, retry_after_s))


def extra_headers(status: int, retry_after_s: float) -> dict[str, str]:
    if status in (429, 503):
        return {"Retry-After": str(max(1, math.ceil(retry_after_s)))}
    return {401: {"WWW-Authenticate": "Bearer"}, 405: {"Allow": ", ".join(METHODS)}}.get(status, {})


def security_headers(others: OtherSites) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return a function that adds security headers to a response, also to those of aiohttp itself.

    A handler's own Cache-Control stays. `others` are the sites whose pages may use this one.
    """

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        own = {name: value for name, value in response.headers.items() if name == "Cache-Control"}
        policy = others.framed(request.path, SECURITY_HEADERS[POLICY])
        shared = others.headers(request.path, request.headers.get("Origin"))
        response.headers.update(SECURITY_HEADERS | own | {POLICY: policy} | shared)

    return add


async def preflight(request: web.Request) -> web.Response:
    """Answer a browser that asks what a page of another site may do; the headers are added to every response."""
    return web.Response(status=204)


def refusal_bytes(refused: RequestRefused, *, keep_alive: bool) -> bytes:
    """Return the complete response to a request that is refused before aiohttp sees it."""
    body = json.dumps({"error": refused.sentence}).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "keep-alive" if keep_alive else "close",
        **SECURITY_HEADERS,
        **extra_headers(refused.status, refused.retry_after_s),
    }
    first = f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}"
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + body
