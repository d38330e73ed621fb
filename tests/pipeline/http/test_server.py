"""The HTTP server over real sockets, with requests that no browser makes."""

import asyncio
import gzip
import json
import logging
import ssl
import zlib
from socket import create_connection

import psutil
import pytest

from pipeline.contract.settings import Settings
from pipeline.gateway.app import Gateway
from pipeline.http import connection
from pipeline.http import server as http_server
from pipeline.http.connection import State
from pipeline.http.responses import SECURITY_HEADERS
from support.peers import Running, until
from support.raw_http import JSON, Socket


@pytest.fixture
def quick_sweep(monkeypatch):
    """Let the gateways of later fixtures look for idle connections often."""
    monkeypatch.setattr(http_server, "SWEEP_S", 0.02)


async def asked(running: Running, line: str, *headers: str, **options) -> tuple[int, dict[str, str], dict]:
    """The status, headers and JSON of the answer to one request."""
    async with Socket(running) as socket:
        socket.ask(line, *headers, **options)
        status, found, body = await socket.answer()
    return status, found, json.loads(body)


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
async def test_every_answer_has_the_security_headers_and_nothing_is_logged(running, caplog, status, lines):
    with caplog.at_level(logging.INFO, logger="aiohttp"):
        async with Socket(running) as socket:
            socket.send(b"\r\n".join([*lines, b"", b""]))
            got, headers, body = await socket.answer()

    assert got == status
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert status == 200 or json.loads(body)["error"].endswith(".")
    assert not caplog.records


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "gzip, gzip"])
async def test_a_body_is_not_inflated(running, encoding):
    """A body of 32 KB would become 32 MB, on the event loop."""
    compress = gzip.compress if "gzip" in encoding.lower() else zlib.compress
    bomb = compress(bytes(30_000_000))[:30_000]

    status, _, body = await asked(running, "POST /offer", JSON, f"Content-Encoding: {encoding}", body=bomb)

    assert (status, body) == (415, {"error": "Send the body as it is, without Content-Encoding."})
    assert running.count("mvs_requests_refused_total", reason="encoding") == 1


async def test_a_body_in_chunks_is_refused_before_they_are_taken_apart(running):
    async with Socket(running) as socket:
        socket.ask("POST /offer", JSON, "Transfer-Encoding: chunked", body=b"1;" + b"x" * 1000 + b"\r\na\r\n")
        assert (await socket.answer())[0] == 411
        assert await socket.is_closed()


async def test_requests_that_never_end_keep_nobody_waiting(running, monkeypatch):
    """1,100 of them kept everybody waiting for two minutes."""
    monkeypatch.setattr(connection, "HEAD_S", 60.0)
    half = [Socket(running) for _ in range(600)]
    for socket in half:
        await socket.__aenter__()
        socket.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")

    async with asyncio.timeout(5), running.http.get("/healthz") as response:
        assert response.status == 200

    assert len(running.server._all()) <= http_server.MAX_OF_THIS_MACHINE
    assert running.count("mvs_http_connections_closed_total", reason="evicted") >= 600 - http_server.MAX_OF_THIS_MACHINE
    for socket in half:
        await socket.__aexit__()


async def test_connections_of_one_address_leave_room_for_others(running, monkeypatch):
    monkeypatch.setattr(http_server, "MAX_CONNECTIONS", 8)
    waiting = [Socket(running) for _ in range(8)]
    for socket in waiting:
        await socket.__aenter__()
    await until(lambda: len(running.server._all()) == 8)

    async with running.http.get("/healthz") as response:
        assert response.status == 200

    assert await waiting[0].is_closed()
    for socket in waiting:
        await socket.__aexit__()


async def test_a_burst_of_connections_is_counted_while_it_comes(running, monkeypatch):
    """Before, all connections in the backlog were accepted in one turn of the loop."""
    monkeypatch.setattr("pipeline.http.server.MAX_OF_THIS_MACHINE", 8)
    held, make_room, process = [], running.server._make_room, psutil.Process()
    burst = [create_connection(("127.0.0.1", int(running.url.rpartition(":")[2]))) for _ in range(200)]
    before = process.num_fds()

    def counted(address):
        held.append(process.num_fds() - before)
        return make_room(address)

    monkeypatch.setattr(running.server, "_make_room", counted)

    await until(lambda: len(held) == 200)

    assert max(held) <= 8 + 4  # closed connections are gone in the loop's next turn
    for one in burst:
        one.close()


async def test_handshakes_that_never_end_make_room_too(redis_url, web_root, monkeypatch):
    """Each holds 256 KB."""
    monkeypatch.setattr(http_server, "MAX_OF_THIS_MACHINE", 4)
    gateway = Gateway(Settings(redis_url=redis_url), web_root)
    server, evicted = gateway.server(), gateway.metrics.connections_closed.labels("evicted")
    port = await server.start("127.0.0.1", 0, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]

    async with asyncio.timeout(3):
        for reader, _ in streams[:8]:
            assert await reader.read() == b""

    assert len(server._all()) == 4
    assert evicted._value.get() == 8
    for _, writer in streams:
        writer.close()
    await server.stop()


async def test_a_connection_that_is_at_work_is_not_closed_for_another_one(running, monkeypatch):
    monkeypatch.setattr(http_server, "MAX_OF_THIS_MACHINE", 1)
    async with Socket(running) as busy:
        busy.ask("POST /offer", JSON, "Content-Length: 20", body=b"")
        await until(lambda: [c.state for c in running.server._all()] == [State.BODY])
        async with Socket(running) as other:
            assert await other.is_closed()
        busy.send(b"x" * 20)
        assert (await busy.answer())[0] == 400

    assert running.count("mvs_http_connections_closed_total", reason="full") == 1


@pytest.mark.parametrize(("limit", "reason", "sent"), [
    ("IDLE_S", "idle", b""), ("HEAD_S", "head", b"GET / HTTP/1.1\r\nHost: "),
    ("BODY_GRACE_S", "slow", b"POST /offer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"),
    ("BODY_GRACE_S", "slow", b"POST /offer HTTP/1.1\r\nHost: evil\r\nContent-Length: 9\r\n\r\n"),
    ("LINGER_S", "linger", b"nonsense\r\n\r\n"),
])  # fmt: skip
async def test_whoever_is_slow_is_hung_up_on(quick_sweep, running, monkeypatch, limit, reason, sent):
    monkeypatch.setattr(connection, limit, 0.05)
    async with Socket(running) as socket:
        socket.send(sent)
        await until(lambda: running.count("mvs_http_connections_closed_total", reason=reason) == 1)
        assert await socket.is_closed()

    assert not running.server._all()


async def test_requests_in_one_packet_are_answered_one_by_one_in_their_order(running):
    async with Socket(running) as socket:
        for path in ("/healthz", "/nothing", "/config", "/healthz"):
            socket.ask(f"GET {path}")

        assert [(await socket.answer())[0] for _ in range(4)] == [200, 404, 200, 200]


async def test_a_request_smuggled_in_a_body_is_none(running):
    async with Socket(running) as socket:
        socket.ask("POST /offer", JSON, body=b"GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await socket.answer())[0] == 400
        socket.ask("GET /healthz")
        assert b'"ok"' in (await socket.answer())[2]


async def test_after_a_refused_body_the_connection_goes_on(running):
    async with Socket(running) as socket:
        socket.ask("POST /offer", JSON, "Sec-Fetch-Site: cross-site", body=bytes(20_000))
        assert (await socket.answer())[0] == 403
        socket.ask("GET /healthz")
        assert (await socket.answer())[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "a b", "localhost:x", "localhost/"]
)
@pytest.mark.parametrize("path", ["/config", "/", "/healthz", "/status"])
async def test_a_page_whose_name_was_rebound_to_us_reads_nothing(running, host, path):
    status, _, body = await asked(running, f"GET {path}", host=f"Host: {host}")

    assert status == 421 and "MVS_ALLOWED_HOSTS" in body["error"]


async def test_the_names_of_the_setting_are_ours(redis_url, web_root):
    async with Running(redis_url, web_root, allowed_hosts=("live.example", "*.lan")) as running:
        for host, status in (("live.example", 200), ("LIVE.example:443", 200), ("a.lan", 200), ("lan", 421)):
            assert (await asked(running, "GET /healthz", host=f"Host: {host}"))[0] == status


@pytest.mark.parametrize("headers", [
    ["Origin: https://evil.example"], ["Origin: null"], ["Origin: http://localhost:1"], ["Sec-Fetch-Site: cross-site"],
    ["Sec-Fetch-Site: same-site"], ["Origin: http://127.0.0.1"], ["Origin: "], ["Origin: javascript://127.0.0.1"],
])  # fmt: skip
@pytest.mark.parametrize("line", ["POST /offer", "POST /styles", "GET /config"])
async def test_other_sites_pages_may_neither_offer_nor_upload_nor_read_turn_credentials(running, line, headers):
    status, _, body = await asked(running, line, JSON, *headers)

    assert status == 403 and body["error"].startswith("Only this gateway's own page")


@pytest.mark.parametrize("target", ["/%63onfig", "/config#x", "/config%", "/config\\"])
async def test_there_is_one_spelling_of_a_path(running, target):
    """Otherwise a server that decodes another spelling would answer requests that nobody has checked."""
    status, _, body = await asked(running, f"GET {target}", "Sec-Fetch-Site: cross-site")

    assert (status, body) == (400, {"error": "A request's target is a path."})


async def test_our_own_page_and_a_proxys_name_may(redis_url, web_root):
    async with Running(redis_url, web_root, allowed_hosts=("live.example",)) as running:
        for origin in (running.url, "https://live.example"):
            status, _, body = await asked(running, "POST /offer", JSON, f"Origin: {origin}", body=b"{}")
            assert (status, body["error"][:8]) == (400, "An offer")


@pytest.mark.parametrize("body", [b'{"a": 1}', b"\xff\xfe{\0"])
@pytest.mark.parametrize("kind", ["application/json; charset=utf-16", "text/json", "application/json; charset=latin-1"])
async def test_an_offer_in_another_encoding_is_refused(running, body, kind):
    assert (await asked(running, "POST /offer", f"Content-Type: {kind}", body=body))[0] == 415
