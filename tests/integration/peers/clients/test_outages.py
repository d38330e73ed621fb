"""A client whose network is away for a while."""

import time

import pytest
from aiohttp import web

from clients.net.connection import Connection
from clients.net.reconnecting import LAST_RETRY_S, ReconnectingClient
from pipeline.styles.catalog import shipped
from support.webrtc.impairment import Impaired
from support.webrtc.peers import ColourCamera, until

#: The time that a busy machine may need beyond what is promised.
SLACK_S = 4.0


class Cut(Impaired):
    """A path whose outage also affects HTTP, like a phone's."""

    async def _forward(self, request: web.Request) -> web.Response:
        self._refuse(request)
        return await super()._forward(request)

    async def _offer(self, request: web.Request) -> web.Response:
        self._refuse(request)
        return await super()._offer(request)

    def _refuse(self, request: web.Request) -> None:
        if self.outage:
            request.transport.abort()
            raise web.HTTPServiceUnavailable


@pytest.mark.parametrize(("gap_s", "limit_s", "same_session"), [(3, 2, True), (20, LAST_RETRY_S + 1, False)])
async def test_looks_come_back_in_their_style_after_a_gap_of_the_network(running, edge, gap_s, limit_s, same_session):
    """Promise 4: within 2 s of 3 s without network, and 4 s of 20; a gap of seconds costs no session."""
    headers: list[dict] = []
    wanted = shipped()[3].id
    async with Cut(running.url) as path:
        camera = ColourCamera((90, 120, 150), (320, 240))
        client = ReconnectingClient(
            lambda: Connection(path.url, on_grid=lambda header, _: headers.append(header), on_control=lambda _: None),
            camera,
            size=camera.size,
            style=wanted,
        )
        await client.open()
        await until(lambda: len(headers) >= 2)
        first = client._connection

        path.outage, sent = True, camera.count
        await until(lambda: camera.count >= sent + 25 * gap_s, timeout_s=3 * gap_s)  # the camera is never in the way
        path.outage, back_s, seen = False, time.monotonic(), len(headers)
        await until(lambda: len(headers) > seen, timeout_s=limit_s + SLACK_S)

        assert headers[-1]["style_id"] == wanted
        assert (client._connection is first) == same_session
        assert camera.count >= sent + 25 * gap_s
        print(f"a gap of {gap_s} s: looks again after {time.monotonic() - back_s:.2f} s")
        await client.close()
    await until(lambda: running.count("mvs_sessions") == 0)
