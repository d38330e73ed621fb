"""A bad network between real peers, in user space: an address of a gateway whose datagrams come late, or never.

The client uses `Impaired.url` as the gateway's. Offers and answers pass through it, with their ICE candidates replaced
by its own sockets, so that every STUN, DTLS, RTP and SCTP datagram takes the emulated path, in both directions.
"""

import asyncio
import random
import re
from collections.abc import Callable

import aiohttp
from aiohttp import web

Address = tuple[str, int]
_CANDIDATE = re.compile(r"^a=candidate:(\S+ \d+ \S+ \d+) (\d+\.\d+\.\d+\.\d+) (\d+) (.*)\r\n", re.M)


class Impaired:
    """`delay_s` and `loss` (0..1) apply to each direction. They may change at any time; `outage` loses everything."""

    def __init__(self, gateway_url: str, *, delay_s: float = 0.0, loss: float = 0.0, seed: int = 0) -> None:
        self.delay_s, self.loss, self.outage = delay_s, loss, False
        self.passed = self.lost = 0
        self.url = ""
        self.gateway: Address | None = None  # the newest session's
        self._gateway_url, self._random = gateway_url, random.Random(seed)
        self._sockets: list[asyncio.DatagramTransport] = []

    async def __aenter__(self) -> "Impaired":
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/offer", self._offer)
        app.router.add_route("*", "/{path:.*}", self._forward)
        # A gateway may close a connection that is kept for more requests just when the next one comes.
        self._http = aiohttp.ClientSession(self._gateway_url, connector=aiohttp.TCPConnector(force_close=True))
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        for socket in self._sockets:
            socket.close()
        await self._http.close()
        await self._runner.cleanup()

    async def _forward(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), {"Content-Type": request.content_type}
        async with self._http.request(request.method, request.path_qs, data=body, headers=headers) as response:
            return web.Response(body=await response.read(), status=response.status, content_type=response.content_type)

    async def _offer(self, request: web.Request) -> web.Response:
        """Pass on an offer and its answer, so that each peer knows only the socket on its own side."""
        offer = await request.json()
        client = first_candidate(offer["sdp"])
        to_client, to_gateway = _Way(self, client), _Way(self, None)
        near, far = await self._open(to_gateway, client[0]), await self._open(to_client, client[0])
        to_client.out, to_gateway.out = near, far
        offer["sdp"] = redirected(offer["sdp"], far.get_extra_info("sockname"))
        async with self._http.post("/offer", json=offer) as response:
            answer = await response.json()
        if response.status == 200:
            self.gateway = to_gateway.target = first_candidate(answer["sdp"])
            answer["sdp"] = redirected(answer["sdp"], near.get_extra_info("sockname"))
        return web.json_response(answer, status=response.status)

    async def _open(self, way: "_Way", host: str) -> asyncio.DatagramTransport:
        socket, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: way, local_addr=(host, 0))
        self._sockets.append(socket)
        return socket

    def carry(self, send: Callable[[], None]) -> None:
        """Call `send` after the delay, or never if the datagram is lost."""
        if self.outage or self._random.random() < self.loss:
            self.lost += 1
            return
        self.passed += 1
        asyncio.get_running_loop().call_later(self.delay_s, send)


class _Way(asyncio.DatagramProtocol):
    """One direction: datagrams that arrive at one socket leave through `out` for `target`."""

    def __init__(self, path: Impaired, target: Address | None) -> None:
        self._path, self.target = path, target
        self.out: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, address: Address) -> None:
        if self.target is not None:
            self._path.carry(lambda: self.out.is_closing() or self.out.sendto(data, self.target))


def first_candidate(sdp: str) -> Address:
    """The address of the first IPv4 candidate."""
    found = _CANDIDATE.search(sdp)
    return found[2], int(found[3])


def redirected(sdp: str, address: Address) -> str:
    """The SDP with `address` as the only candidate in each section that had any."""
    sections = re.split(r"(?m)^(?=m=)", sdp)
    return "".join(_one_candidate(section, address) for section in sections)


def _one_candidate(section: str, address: Address) -> str:
    first = _CANDIDATE.search(section)
    rest = re.sub(r"(?m)^a=candidate:.*\r\n", "", section)
    return rest + f"a=candidate:{first[1]} {address[0]} {address[1]} typ host\r\n" if first else rest
