"""The HTTP server over real sockets, with requests that no browser makes."""

import asyncio
import ssl
from socket import create_connection

import psutil
import pytest

from pipeline.contract.settings import Settings
from pipeline.gateway.app import Gateway
from pipeline.http import connection
from pipeline.http import server as http_server
from pipeline.http.connection import State
from support.services.raw_http import JSON, Socket, ask
from support.webrtc.peers import Running, until


@pytest.fixture
def quick_sweep(monkeypatch):
    """Let the gateways of later fixtures look for idle connections often."""
    monkeypatch.setattr(http_server, "SWEEP_S", 0.02)


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


async def test_the_names_of_the_setting_are_ours(redis_url, web_root):
    async with Running(redis_url, web_root, allowed_hosts=("live.example", "*.lan")) as running:
        for host, status in (("live.example", 200), ("LIVE.example:443", 200), ("a.lan", 200), ("lan", 421)):
            assert (await ask(running, "GET /healthz", host=f"Host: {host}"))[0] == status


async def test_our_own_page_and_a_proxys_name_may(redis_url, web_root):
    async with Running(redis_url, web_root, allowed_hosts=("live.example",)) as running:
        for origin in (running.url, "https://live.example"):
            status, _, body = await ask(running, "POST /offer", JSON, f"Origin: {origin}", body=b"{}")
            assert (status, body["error"][:8]) == (400, "An offer")
