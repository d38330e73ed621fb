"""Attacks with offers alone. None of these attackers ever connects, unless the text says so."""

import asyncio
import contextlib
import json
import re
import socket
import time
import urllib.error
import urllib.request

import aiohttp
from aiortc import RTCPeerConnection

from pipeline.styles.catalog import shipped
from security.fort import AS_ATTACKER, ATTACKER, Target
from security.peer import Silent

#: The most time for an offer. A normal one takes 2.2 ms; the parser alone can take quadratic time.
LONGEST_OFFER_S = 0.3
#: How long a session that never connects may keep its place.
PLACE_S = 10.0
#: Sessions that stay, which are those of innocent clients.
INNOCENTS = 2
JSON = {"Content-Type": "application/json"}


async def offer_sdp() -> str:
    """The SDP of a normal offer."""
    peer = RTCPeerConnection()
    peer.createDataChannel("control")
    peer.addTransceiver(Silent(), direction="sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    sdp = peer.localDescription.sdp
    await peer.close()
    return sdp


def body(sdp: str) -> bytes:
    fields = {"type": "offer", "sdp": sdp, "style": shipped()[0].id, "width": 640, "height": 360}
    return json.dumps(fields, ensure_ascii=False).encode()


def session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(local_addr=(ATTACKER, 0), limit=256)
    return aiohttp.ClientSession(connector=connector, headers=AS_ATTACKER, timeout=aiohttp.ClientTimeout(total=20))


async def post(http: aiohttp.ClientSession, target: Target, sdp: str) -> int:
    """Post an offer; returns the status, or 0 without an answer."""
    try:
        async with http.post(f"{target.url}/offer", data=body(sdp), headers=JSON) as got:
            await got.read()
            return got.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        return 0


def sessions(target: Target) -> int:
    try:
        with urllib.request.urlopen(f"{target.url}/healthz", timeout=5) as response:
            return json.load(response)["sessions"]
    except (OSError, ValueError):
        return -1


async def kept(target: Target) -> str:
    """ "" once the places are back; else how many are not. Newcomers come and go: the least counts."""
    left = []
    for _ in range(round(4 * PLACE_S) + 8):
        await asyncio.sleep(0.25)
        left.append(await asyncio.to_thread(sessions, target) - INNOCENTS)
        if left[-1] <= 0:
            return ""
    return f"{min(left[-20:])} places are still taken after {PLACE_S:.0f} s"


async def mid_outside_bundle(target: Target) -> str:
    """32 offers whose BUNDLE group names a section that is missing; before, closing raised, and places were lost."""
    sdp = await offer_sdp()
    sdp = sdp.replace("a=group:BUNDLE ", "a=group:BUNDLE 9 ")
    async with session() as http:
        for _ in range(32):
            await post(http, target, sdp)
    return await kept(target)


async def line_separators(target: Target) -> str:
    """Lines that only the parser takes for lines: U+0085, U+2028, U+2029, \\v, \\f, a lone \\r, U+001C."""
    sdp, slowest = await offer_sdp(), 0.0
    got: dict[str, float] = {}
    async with session() as http:
        for mark in "\x85\u2028\u2029\v\f\r\x1c":
            lines = [f"a=rtpmap:{97 + i % 30} VP8/90000{mark}a=rtcp-fb:* nack pli" for i in range(400)]
            hostile, room = sdp, 31_000 - len(body(sdp))
            while lines and room > len(json.dumps(lines[-1] + mark)):
                room -= len(json.dumps(lines[-1] + mark))
                hostile += lines.pop() + mark
            started_s = time.monotonic()
            status = await post(http, target, hostile + "\r\n")
            got[f"U+{ord(mark):04X}: {status}"] = time.monotonic() - started_s
            slowest = max(slowest, time.monotonic() - started_s)
    worst = max(got, key=got.get)
    return f"{worst} after {slowest:.2f} s" if slowest > LONGEST_OFFER_S else ""


async def quadratic_lines(target: Target) -> str:
    """As many rtpmap and wildcard rtcp-fb lines as the limits allow."""
    sdp = await offer_sdp()
    free = 395 - sdp.count("\n")
    hostile = sdp + "".join(f"a=rtpmap:{i % 128} VP8/90000\r\n" for i in range(free // 2))
    hostile += "a=rtcp-fb:* nack\r\n" * (free // 2)
    async with session() as http:
        started_s = time.monotonic()
        status = await post(http, target, hostile)
    seconds = time.monotonic() - started_s
    return f"{status} after {seconds:.2f} s" if seconds > LONGEST_OFFER_S else ""


async def many_candidates(target: Target) -> str:
    """340 candidates at one host: a gateway could be made to flood somebody who asked for nothing."""
    sdp = await offer_sdp()
    victims = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(340)]
    host = re.search(r"IP4 (\d+\.\d+\.\d+\.\d+)|UDP \d+ (\d+\.\d+\.\d+\.\d+) ", sdp)
    address = next(filter(None, re.findall(r"UDP \d+ (\d+\.\d+\.\d+\.\d+) ", sdp, re.I)), host and host[1])
    for victim in victims:
        victim.bind((address, 0))
        victim.setblocking(False)
    sdp = re.sub(r"a=(candidate|end-of-candidates).*\r\n", "", sdp)
    sections = re.split(r"(?m)^(?=m=)", sdp)
    lines = "".join(
        f"a=candidate:{i} 1 udp {2130706431 - i} {address} {v.getsockname()[1]} typ host\r\n"
        for i, v in enumerate(victims)
    )
    hostile = sections[0] + sections[1] + lines + "a=end-of-candidates\r\n" + "".join(sections[2:])
    async with session() as http:
        status = await post(http, target, hostile)
    await asyncio.sleep(6)
    received = 0
    for victim in victims:
        with contextlib.suppress(BlockingIOError), victim:
            while victim.recv(2048):
                received += 1
    return f"{received} datagrams to one host for one offer ({status})" if received > 200 else ""


async def ten_a_second(target: Target) -> str:
    """Ten honest offers a second from one address, none of which ever connects, for ten seconds."""
    sdp = await offer_sdp()
    async with session() as http:
        for _ in range(100):
            await asyncio.gather(post(http, target, sdp), asyncio.sleep(0.1))
    return await kept(target)


async def thousand_a_second(target: Target) -> str:
    """A thousand offers a second, as far as this machine goes, for three seconds."""
    sdp = await offer_sdp()
    end_s, slow = time.monotonic() + 3, []

    async def one() -> None:
        started_s = time.monotonic()
        status = await post(http, target, sdp)
        slow.append((time.monotonic() - started_s, status))

    async with session() as http, asyncio.TaskGroup() as group:
        while time.monotonic() < end_s:
            group.create_task(one())
            await asyncio.sleep(0.001)
    return await kept(target)


async def deep_json(target: Target) -> str:
    """Offers that are no object, nest a thousand deep, hold numbers of 30,000 digits, or lack an end."""
    texts = (b"[" * 30_000, b"9" * 30_000, b"{" * 30_000, b'{"sdp": "' + b"a" * 30_000, b"\xff" * 100, b"null", b"")
    async with session() as http:
        for text in texts:
            async with http.post(f"{target.url}/offer", data=text, headers=JSON) as got:
                if not 400 <= got.status < 500:
                    return f"{text[:10]!r}... was answered with {got.status}"
    return ""
