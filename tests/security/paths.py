"""Honest clients on paths that the filter against strangers must not take for strangers."""

import asyncio
import re

from aiohttp import ClientSession

from clients.load.recording import record
from clients.load.replay import Replay
from pipeline.contract.errors import MVStylizerError
from pipeline.styles.catalog import shipped
from security.fort import Target
from security.innocents import ConnectionFrom

CONNECTS, AT_ONCE = 12, 3
LATE_S = 0.2
_IPV4 = re.compile(r"^a=candidate:(\S+ \d+ \S+ \d+) (\d+\.\d+\.\d+\.\d+) (\d+) typ host.*\r\n", re.M)


class Way(asyncio.DatagramProtocol):
    """One direction: what arrives leaves through `out` later."""

    out: "Way"
    target: tuple[str, int]

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple) -> None:
        out = self.out
        asyncio.get_running_loop().call_later(
            LATE_S, lambda: out.transport.is_closing() or out.transport.sendto(data, out.target)
        )


class Late(ConnectionFrom):
    """A client whose IPv4 is late in both directions, while its IPv6 is not."""

    ways: tuple[Way, ...] = ()

    async def _json(self, request) -> dict:
        """Replace the IPv4 candidates of the offer and of the answer by sockets of a relay."""
        return await super()._json(request)

    async def _connect(self, http: ClientSession, track, size: tuple[int, int], style: str) -> str:
        post, loop = http.post, asyncio.get_running_loop()
        near, far = Way(), Way()
        near.out, far.out = far, near

        def relayed(url: str, *, json: dict):
            found = _IPV4.search(json["sdp"])
            self._client = found[2], int(found[3])
            return _Exchange(self, post, url, json, near, far, loop)

        http.post = relayed
        return await super()._connect(http, track, size, style)


class _Exchange:
    def __init__(self, client: Late, post, url: str, offer: dict, near: Way, far: Way, loop) -> None:
        self._parts = client, post, url, offer, near, far, loop

    async def __aenter__(self):
        client, post, url, offer, near, far, loop = self._parts
        host = client._client[0]
        for way in (near, far):
            await loop.create_datagram_endpoint(lambda way=way: way, local_addr=(host, 0))
        client.ways = near, far
        near.target = client._client  # `near` faces the client, `far` the gateway
        offer = {**offer, "sdp": moved(offer["sdp"], far)}
        self._response = await post(url, json=offer)
        answer = await self._response.json()
        if found := _IPV4.search(answer.get("sdp", "")):
            far.target = found[2], int(found[3])
            answer["sdp"] = moved(answer["sdp"], near)
        self.status, self.headers = self._response.status, self._response.headers
        self._answer = answer
        return self

    async def json(self) -> dict:
        return self._answer

    async def __aexit__(self, *error: object) -> None:
        self._response.release()


def moved(sdp: str, way: Way) -> str:
    host, port = way.transport.get_extra_info("sockname")[:2]
    return _IPV4.sub(rf"a=candidate:\1 {host} {port} typ host\r\n", sdp)


async def late_ipv4(target: Target) -> str:
    """Dual-stack clients whose IPv4 answers 200 ms late: both ends may choose different pairs."""
    recording, places, failed = record(None, (160, 96)), asyncio.Semaphore(AT_ONCE), []

    async def one(number: int) -> None:
        looked = asyncio.Event()
        async with places:
            client = Late(target.url, f"127.0.1.{number + 1}", on_grid=lambda *_: looked.set())
            track = Replay(recording, lambda *_: None)
            try:
                async with asyncio.timeout(12):
                    await client.open(track, size=recording.size, style=shipped()[1].id)
                    track.play(client.video)
                    await looked.wait()
            except (MVStylizerError, TimeoutError) as error:
                failed.append(repr(error))
            finally:
                track.stop()
                await client.close()
                for way in client.ways:
                    way.transport.close()

    await asyncio.gather(*(one(number) for number in range(CONNECTS)))
    return f"{len(failed)} of {CONNECTS} could not connect: {failed[0][:80]}" if failed else ""
