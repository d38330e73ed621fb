"""What the HTTP server refuses, asked over real sockets as no browser asks."""

import functools
import gzip
import json
import logging
import zlib
from collections.abc import Callable

import pytest

from pipeline.http.responses import SECURITY_HEADERS
from support.services.raw_http import JSON, Socket, ask

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOCAL = b"Host: localhost"
UPLOAD = b"POST /offer HTTP/1.1"
ODD_REQUESTS = [
    (200, [b"GET /?%00=%ff HTTP/1.1", LOCAL]),
    (400, [b""]),
    (400, [b"hello"]),
    (400, [b"\x16\x03\x01\x02\x00\x01"]),  # a TLS handshake at a plain port
    (400, [b"GET / HTTP/1.1"]),
    (400, [b"GET / HTTP/2.0", LOCAL]),
    (400, [b"GET http://localhost/ HTTP/1.1", LOCAL]),
    (400, [b"GET /\xc8 HTTP/1.1", LOCAL]),
    (400, [b"GET / HTTP/1.1\nHost: localhost\n"]),
    (400, [b"GET / HTTP/1.1", LOCAL, LOCAL]),
    (400, [b"GET / HTTP/1.1", b"Host : localhost"]),
    (400, [b"GET / HTTP/1.1", LOCAL, b" folded: x"]),
    (400, [b"GET / HTTP/1.1", b"Host: lo\0calhost"]),
    (400, [b"GET / HTTP/1.1", LOCAL, b"Upgrade: websocket", b"Connection: upgrade"]),
    (400, [UPLOAD, LOCAL, b"Content-Length: 1", b"Content-Length: 1"]),
    (400, [UPLOAD, LOCAL, b"Content-Length: +1"]),
    (404, [b"GET /none HTTP/1.1", LOCAL]),
    (400, [b"GET /%zz HTTP/1.1", LOCAL]),
    (400, [b"GET //[ HTTP/1.1", LOCAL]),
    (405, [b"TRACE / HTTP/1.1", LOCAL]),
    (405, [b"CONNECT a:1 HTTP/1.1", LOCAL]),
    (405, [b"POST / HTTP/1.1", LOCAL]),
    (413, [UPLOAD, LOCAL, b"Content-Length: 99999999999"]),
    (413, [b"GET / HTTP/1.1", LOCAL, b"Content-Length: 5"]),
    (414, [b"GET /" + b"a" * 3000 + b" HTTP/1.1", LOCAL]),
    (417, [b"GET / HTTP/1.1", LOCAL, b"Expect: miracles"]),
    (431, [b"GET / HTTP/1.1", LOCAL, *[b"a: b"] * 100]),
    (431, [b"GET / HTTP/1.1", b"a" * 20_000]),
]


@pytest.mark.parametrize(("status", "lines"), ODD_REQUESTS)
async def test_every_answer_has_the_security_headers_and_nothing_is_logged(shared_gateway, caplog, status, lines):
    with caplog.at_level(logging.INFO, logger="aiohttp"):
        async with Socket(shared_gateway) as socket:
            socket.send(b"\r\n".join([*lines, b"", b""]))
            got, headers, body = await socket.answer()

    assert got == status
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert status == 200 or json.loads(body)["error"].endswith(".")
    assert not caplog.records


@functools.cache
def inflatable(compress: Callable[[bytes], bytes]) -> bytes:
    return compress(bytes(30_000_000))[:30_000]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "gzip, gzip"])
async def test_a_body_is_not_inflated(shared_gateway, encoding):
    """A body of 32 KB would become 32 MB, on the event loop."""
    bomb = inflatable(gzip.compress if "gzip" in encoding.lower() else zlib.compress)

    before = shared_gateway.count("mvs_requests_refused_total", reason="encoding")
    status, _, body = await ask(shared_gateway, "POST /offer", JSON, f"Content-Encoding: {encoding}", body=bomb)

    assert (status, body) == (415, {"error": "Send the body as it is, without Content-Encoding."})
    assert shared_gateway.count("mvs_requests_refused_total", reason="encoding") == before + 1


async def test_a_body_in_chunks_is_refused_before_they_are_taken_apart(shared_gateway):
    async with Socket(shared_gateway) as socket:
        socket.ask("POST /offer", JSON, "Transfer-Encoding: chunked", body=b"1;" + b"x" * 1000 + b"\r\na\r\n")
        assert (await socket.answer())[0] == 411
        assert await socket.is_closed()


async def test_requests_in_one_packet_are_answered_one_by_one_in_their_order(shared_gateway):
    async with Socket(shared_gateway) as socket:
        for path in ("/healthz", "/nothing", "/config", "/healthz"):
            socket.ask(f"GET {path}")

        assert [(await socket.answer())[0] for _ in range(4)] == [200, 404, 200, 200]


async def test_a_request_smuggled_in_a_body_is_none(shared_gateway):
    async with Socket(shared_gateway) as socket:
        socket.ask("POST /offer", JSON, body=b"GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await socket.answer())[0] == 400
        socket.ask("GET /healthz")
        assert b'"ok"' in (await socket.answer())[2]


async def test_after_a_refused_body_the_connection_goes_on(shared_gateway):
    async with Socket(shared_gateway) as socket:
        socket.ask("POST /offer", JSON, "Sec-Fetch-Site: cross-site", body=bytes(20_000))
        assert (await socket.answer())[0] == 403
        socket.ask("GET /healthz")
        assert (await socket.answer())[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "a b", "localhost:x", "localhost/"]
)
@pytest.mark.parametrize("path", ["/config", "/", "/healthz", "/status"])
async def test_a_page_whose_name_was_rebound_to_us_reads_nothing(shared_gateway, host, path):
    status, _, body = await ask(shared_gateway, f"GET {path}", host=f"Host: {host}")

    assert status == 421 and "MVS_ALLOWED_HOSTS" in body["error"]


@pytest.mark.parametrize("headers", [
    ["Origin: https://evil.example"], ["Origin: null"], ["Origin: http://localhost:1"], ["Sec-Fetch-Site: cross-site"],
    ["Sec-Fetch-Site: same-site"], ["Origin: http://127.0.0.1"], ["Origin: "], ["Origin: javascript://127.0.0.1"],
])  # fmt: skip
@pytest.mark.parametrize("line", ["POST /offer", "POST /styles", "GET /config"])
async def test_other_sites_pages_may_neither_offer_nor_upload_nor_read_turn_credentials(shared_gateway, line, headers):
    status, _, body = await ask(shared_gateway, line, JSON, *headers)

    assert status == 403 and body["error"].startswith("Only this gateway's own page")


@pytest.mark.parametrize("target", ["/%63onfig", "/config#x", "/config%", "/config\\"])
async def test_there_is_one_spelling_of_a_path(shared_gateway, target):
    """Otherwise a server that decodes another spelling would answer requests that nobody has checked."""
    status, _, body = await ask(shared_gateway, f"GET {target}", "Sec-Fetch-Site: cross-site")

    assert (status, body) == (400, {"error": "A request's target is a path."})


@pytest.mark.parametrize("body", [b'{"a": 1}', b"\xff\xfe{\0"])
@pytest.mark.parametrize("kind", ["application/json; charset=utf-16", "text/json", "application/json; charset=latin-1"])
async def test_an_offer_in_another_encoding_is_refused(shared_gateway, body, kind):
    assert (await ask(shared_gateway, "POST /offer", f"Content-Type: {kind}", body=body))[0] == 415
