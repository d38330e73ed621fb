"""HTTP requests' heads, as our own strict reader and the server behind it read them."""

import asyncio
from random import Random
from unittest.mock import Mock

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser

from harness import Finding, Target, in_loop
from mutations import lines
from pipeline.contract.settings import networks
from pipeline.http.client_address import ClientAddresses
from pipeline.http.head import Head, RequestRefused
from pipeline.http.hosts import Hosts
from pipeline.http.request_check import RequestCheck

BODIES = {"/offer": 32_768, "/styles": 10_000_000}
CHECK = RequestCheck(
    Hosts(allowed=("*.example.org",)), ClientAddresses(networks("127.0.0.0/8")), BODIES, offers_per_s=1.0
)
SAFE_STATUSES = (400, 403, 405, 411, 413, 414, 415, 417, 421, 429, 431)


async def head(data: bytes) -> None:
    """RequestRefused with status and sentence; or aiohttp finds the same request in it, of this length."""
    try:
        found = Head.parse(data)
    except RequestRefused as error:
        return _check(error)
    try:
        CHECK.admit(found, "127.0.0.1", 0.0)
    except RequestRefused as error:
        _check(error)
    _same(found, data)


def _check(error: RequestRefused) -> None:
    if error.status not in SAFE_STATUSES or not 0 < len(error.sentence) < 200 or not error.reason:
        raise Finding(f"refused with {error.status} and {error.sentence!r:.40}") from None


def _same(found: Head, data: bytes) -> None:
    parser = HttpRequestParser(Mock(), asyncio.get_running_loop(), 2**16, max_line_size=8190, max_field_size=8190)
    try:
        (theirs, *others) = [message for message, _ in parser.feed_data(data + b"\r\n\r\n")[0]]
    except HttpProcessingError:
        return  # stricter still
    length = int(theirs.headers.get("Content-Length", 0))
    if others or theirs.chunked or theirs.upgrade or theirs.compression or length != found.length:
        raise Finding(f"aiohttp reads {1 + len(others)} requests, of {length} bytes, not of {found.length}")
    method, path = theirs.method, theirs.url.path  # unescaped, as routes are found
    if (method, path) != (found.method, found.path):
        raise Finding(f"aiohttp reads {method} {path!r:.60}, not {found.method} {found.path!r:.60}")


def _head(data: bytes, rng: Random) -> bytes:
    return lines(data.decode("latin-1"), rng).encode("latin-1", "replace")


HEAD = Target("head", in_loop(head), _head, max_bytes=8 * 1024)
