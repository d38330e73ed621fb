"""Attacks over HTTP, without an offer."""

import asyncio
import contextlib
import gzip
import http.client
import io
import socket
import time
import zlib

import aiohttp
import redis
from PIL import Image

from pipeline.contract import redis_keys
from pipeline.styles.catalog import shipped
from security.fort import AS_ATTACKER, ATTACKER, Target, picture
from security.offers import session

#: The longest time for a refusal.
REFUSED_S = 1.5


def ask(
    target: Target, path: str, *, method: str = "GET", data: bytes = b"", here: bool = False, **headers: str
) -> tuple[int, dict, bytes]:
    """Status, headers and body of one request from the attacker's address; `here`: from a program on this machine."""
    headers = headers if here else AS_ATTACKER | headers
    connection = http.client.HTTPConnection(*target.address, timeout=30, source_address=(ATTACKER, 0))
    try:
        connection.request(method, path, data or None, headers)
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()
    finally:
        connection.close()


def upload(target: Target, data: bytes) -> tuple[int, float]:
    """Upload a photo; returns the status (0 for none) and the seconds it took."""
    started_s = time.monotonic()
    try:
        status, _, _ = ask(target, "/styles", method="POST", data=data, **{"Content-Type": "image/jpeg"})
    except OSError:
        status = 0
    return status, time.monotonic() - started_s


def progressive_jpeg() -> bytes:
    """A JPEG of 230 KB whose last scan comes thousands of times, with 36 million pixels each time."""
    data = io.BytesIO()
    Image.new("L", (6000, 6000), 90).save(data, "JPEG", progressive=True)
    whole = data.getvalue()
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + scan * ((230_000 - len(whole)) // len(scan)) + b"\xff\xd9"


async def progressive_bomb(target: Target) -> str:
    """A progressive JPEG of 230 KB with thousands of scans."""
    status, seconds = await asyncio.to_thread(upload, target, progressive_jpeg())
    return f"{status} after {seconds:.1f} s" if seconds > REFUSED_S or status not in (400, 413, 422, 429, 503) else ""


async def webp_bomb(target: Target) -> str:
    """A WebP of 2 KB and 40 million pixels."""
    data = io.BytesIO()
    Image.new("RGB", (6320, 6320), (9, 90, 200)).save(data, "WEBP", lossless=True)
    status, seconds = await asyncio.to_thread(upload, target, data.getvalue())
    return f"{status} after {seconds:.1f} s" if seconds > REFUSED_S else ""


async def png_bomb(target: Target) -> str:
    """A PNG of 40 million grey pixels, and one whose text chunk inflates to 100 MB."""
    data = io.BytesIO()
    Image.new("L", (6320, 6320), 7).save(data, "PNG", compress_level=9)
    small = io.BytesIO()
    Image.new("L", (8, 8)).save(small, "PNG")
    text = b"zTXt" + b"k\0\0" + zlib.compress(bytes(100_000_000), 9)
    chunk = (len(text) - 4).to_bytes(4) + text + zlib.crc32(text).to_bytes(4)
    slow = []
    for bomb in (data.getvalue(), small.getvalue()[:33] + chunk + small.getvalue()[33:]):
        slow.append(await asyncio.to_thread(upload, target, bomb))
    worst = max(slow, key=lambda got: got[1])
    return f"{worst[0]} after {worst[1]:.1f} s" if worst[1] > REFUSED_S else ""


async def tiny_uploads(target: Target) -> str:
    """259 pictures of 64 pixels, by which the photo that a live stream uses was pushed out."""
    statuses = []
    for number in range(1, 260):
        statuses.append((await asyncio.to_thread(upload, target, picture(number, (8, 8))))[0])
    status, _, _ = await asyncio.to_thread(ask, target, f"/styles/{target.photo}.jpg")
    with redis.Redis.from_url(target.redis_url) as connection:
        there = connection.exists(redis_keys.style(target.photo))
    return "" if there else f"the photo in use is gone ({status}; {statuses.count(201)} uploads were taken)"


async def thumbnails(target: Target) -> str:
    """Thumbnails as fast as sixteen connections get them, for five seconds."""
    ids, end_s, got = [style.id for style in shipped()], time.monotonic() + 5, []

    async def one(number: int) -> None:
        while time.monotonic() < end_s:
            try:
                async with web.get(f"{target.url}/styles/{ids[number % len(ids)]}.jpg?{len(got)}") as response:
                    await response.read()
                    got.append(response.status)
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(0.1)

    async with session() as web:
        await asyncio.gather(*(one(number) for number in range(16)))
    return ""


async def gzip_bombs(target: Target) -> str:
    """Bodies of 300 KB that inflate to 300 MB, for offers and uploads."""
    bomb, slow = gzip.compress(bytes(300_000_000), 6), []
    for path, kind in (("/offer", "application/json"), ("/styles", "image/png")):
        headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
        for _ in range(3):
            started_s = time.monotonic()
            with contextlib.suppress(OSError):  # hung up on
                await asyncio.to_thread(lambda: ask(target, path, method="POST", data=bomb, **headers))
            slow.append(time.monotonic() - started_s)
    return f"{max(slow):.1f} s" if max(slow) > REFUSED_S else ""


@contextlib.contextmanager
def unfinished(target: Target, number: int, beginning: bytes):
    """This many connections, which begin a request and never finish it."""
    sockets = []
    try:
        for _ in range(number):
            one = socket.socket()
            one.settimeout(2)
            sockets.append(one)
            with contextlib.suppress(OSError):
                one.bind((ATTACKER, 0))
                one.connect(target.address)
                one.sendall(beginning)
        yield sockets
    finally:
        for one in sockets:
            one.close()


def still_open(sockets: list[socket.socket]) -> int:
    """The number of connections that the gateway has not closed."""
    held = 0
    for one in sockets:
        one.setblocking(False)
        try:
            while one.recv(4096):
                pass
        except BlockingIOError:
            held += 1
        except OSError:
            pass
    return held


def _half_open(target: Target) -> str:
    with unfinished(target, 1100, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") as sockets:
        time.sleep(20)
        held = still_open(sockets)
    return f"{held} of 1100 are still held after 20 s" if held > 200 else ""


async def half_open_requests(target: Target) -> str:
    """1,100 connections whose headers never end."""
    return await asyncio.to_thread(_half_open, target)


def _unfinished_uploads(target: Target) -> str:
    head = (
        f"POST /styles HTTP/1.1\r\nHost: {target.address[0]}:{target.address[1]}\r\nContent-Type: image/png\r\n"
        "Content-Length: 9900000\r\n\r\n"
    ).encode()
    with unfinished(target, 60, head + picture(1) + bytes(8_500_000)) as sockets:
        time.sleep(20)
        held = still_open(sockets)
    return f"{held} of 60 are still held after 20 s" if held > 12 else ""


async def unfinished_uploads(target: Target) -> str:
    """60 uploads of 9.9 MB that stop after 8.5."""
    return await asyncio.to_thread(_unfinished_uploads, target)


async def rebound_host(target: Target) -> str:
    """A foreign page whose name was rebound to this machine asks for /config and /status.json, and uploads a photo."""
    port, let_in = target.address[1], []
    for host in (f"evil.example:{port}", "evil.example", "127.0.0.1.evil.example", "", "a" * 300):
        for path in ("/config", "/status.json", "/metrics", "/styles"):
            status, _, _ = await asyncio.to_thread(ask, target, path, here=True, Host=host)
            if status < 400:
                let_in.append(f"{path} for {host[:30]!r}")
    return f"opened {', '.join(let_in[:3])}" if let_in else ""


async def bare_errors(target: Target) -> str:
    """Answers of every kind must have the headers that keep a page from being misused."""
    wanted = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy")
    requests = (
        ("GET", "/nothing"),
        ("POST", "/"),
        ("GET", "/styles/0.jpg"),
        ("POST", "/offer"),
        ("PUT", "/styles"),
        ("GET", "/%00"),
        ("GET", "/..%2f..%2fetc/passwd"),
    )
    bare = []
    for method, path in requests:
        status, headers, _ = await asyncio.to_thread(ask, target, path, method=method)
        bare += [f"{method} {path} ({status})"] if not all(name in headers for name in wanted) else []
    with socket.create_connection(target.address, timeout=5, source_address=(ATTACKER, 0)) as raw:
        raw.sendall(b"GET / HTTP/9.9\r\n\r\n")
        answer = raw.recv(65536).decode(errors="replace")
    if answer and wanted[0] not in answer:
        bare.append(f"a request that is none ({answer.split()[1]})")
    return f"bare: {', '.join(bare)}" if bare else ""
