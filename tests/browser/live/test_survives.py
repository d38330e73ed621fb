"""What happens to a page in the background, and to one whose network or camera goes away: it comes back by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from pipeline.gateway import session
from pipeline.styles.catalog import shipped
from support.browsers.chromium import chromium, until, write_panned_photo
from support.browsers.firefox import firefox
from support.browsers.page_server import WEB
from support.webrtc.impairment import Impaired
from support.webrtc.peers import Running
from support.webrtc.peers import until as happens

TIMEOUT_S = 60
LIVE = "window.mvstylizer?.state === 'live'"
#: Chromium has no background without a window: this says that the page is there, or no longer.
HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


class Route(Impaired):
    """A path whose outage also affects HTTP, like a phone's, unless `http_stays` is set."""

    http_stays = False

    async def _forward(self, request: web.Request) -> web.Response:
        self._refuse(request)
        return await super()._forward(request)

    async def _offer(self, request: web.Request) -> web.Response:
        self._refuse(request)
        return await super()._offer(request)

    def _refuse(self, request: web.Request) -> None:
        if self.outage and not self.http_stays:
            request.transport.abort()
            raise web.HTTPServiceUnavailable


def address(url: str, look: int = 0) -> str:
    return f"{url}/?source=camera&autostart=1&style={shipped()[look].id}"


@asynccontextmanager
async def chromium_at(url: str, folder: Path) -> AsyncIterator:
    async with chromium(write_panned_photo(folder / "camera.y4m", frames=30)) as browser:
        page = await browser.new_page(viewport={"width": 390, "height": 844})
        await page.goto(url)
        await until(page, f"{LIVE} && mvstylizer.stats.keyFrames > 1", TIMEOUT_S)
        yield page


async def stats(page, name: str) -> int:
    return await page.evaluate(f"mvstylizer.stats.{name}")


async def gains(page, name: str, more: int = 1) -> None:
    await until(page, f"mvstylizer.stats.{name} >= {await stats(page, name) + more}", TIMEOUT_S)


def paused(running: Running) -> list[bool]:
    return [each.is_paused for each in running.gateway._sessions.values()]


# Hidden pages


async def test_a_hidden_page_sends_nothing_keeps_its_session_and_goes_on_at_once(
    redis_url, tmp_path, edge, monkeypatch
):
    async with Running(redis_url, WEB) as running, chromium_at(address(running.url), tmp_path) as page:
        await page.evaluate(HIDE, True)
        await happens(lambda: paused(running) == [True])
        monkeypatch.setattr(session, "SILENCE_TIMEOUT_S", 0.5)
        sent, frames = await stats(page, "framesSent"), running.count("mvs_frames_received_total")
        await page.evaluate("() => new Promise((done) => setTimeout(done, 3000))")  # three times the gateway's look
        assert await stats(page, "framesSent") == sent
        assert running.count("mvs_frames_received_total") == frames

        monkeypatch.undo()
        await page.evaluate(HIDE, False)
        await gains(page, "keyFrames")
        assert paused(running) == [False] and await stats(page, "reconnects") == 0


async def test_a_tab_behind_another_one_pauses_in_firefox_too(redis_url, tmp_path, edge):
    async with Running(redis_url, WEB) as running, firefox(tmp_path) as browser:
        first = await browser.open(address(running.url))
        await until(first, f"{LIVE} && mvstylizer.stats.keyFrames > 1", TIMEOUT_S)

        second = await browser.open(address(running.url, 1))
        await until(second, f"{LIVE} && mvstylizer.stats.keyFrames > 1", TIMEOUT_S)
        await happens(lambda: sorted(paused(running)) == [False, True])

        await second.close()
        await happens(lambda: paused(running) == [False])
        await gains(first, "keyFrames")
        assert await stats(first, "reconnects") == 0 and first.errors == []


async def test_a_connection_that_is_made_behind_the_scenes_says_that_it_pauses(redis_url, tmp_path, edge):
    async with Running(redis_url, WEB) as running, chromium_at(address(running.url), tmp_path) as page:
        await page.evaluate(HIDE, True)
        await happens(lambda: paused(running) == [True])
        old = next(iter(running.gateway._sessions))

        await page.evaluate("window.dispatchEvent(new Event('online'))")  # nothing was lost: nothing happens
        await running.gateway._sessions[old].close()
        await page.evaluate(HIDE, False)
        await gains(page, "keyFrames")

        assert len(running.gateway._sessions) == 1 and old not in running.gateway._sessions


async def test_a_camera_that_is_taken_in_the_background_is_opened_again_in_the_foreground(redis_url, tmp_path, edge):
    async with Running(redis_url, WEB) as running, chromium_at(address(running.url), tmp_path) as page:
        await page.evaluate(HIDE, True)
        await page.evaluate("""() => {
          const [track] = document.getElementById('video').srcObject.getVideoTracks();
          track.stop();
          track.dispatchEvent(new Event('ended'));
        }""")
        await until(page, "mvstylizer.state === 'failed'", TIMEOUT_S)

        await page.evaluate(HIDE, False)

        await until(page, LIVE, TIMEOUT_S)


# Networks


async def test_ten_seconds_without_a_network_are_survived_with_look_and_picture(redis_url, tmp_path, edge):
    async with Running(redis_url, WEB) as running, Route(running.url) as path:
        async with chromium_at(address(path.url, 3), tmp_path) as page:
            path.outage = True
            await until(page, "mvstylizer.state === 'lost'", TIMEOUT_S)
            await page.evaluate("() => new Promise((done) => setTimeout(done, 10_000))")
            await gains(page, "framesSeen", 10)  # the picture goes on, in the last look
            shown = await page.evaluate("mvstylizer.snapshot()")
            assert shown["source"] != shown["output"]

            path.outage = False
            await gains(page, "keyFrames")

            await until(page, LIVE, TIMEOUT_S)
            assert edge.seen[-1].style_id == shipped()[3].id
            await happens(lambda: len(running.gateway._sessions) == 1)


async def test_on_another_network_the_new_connection_takes_the_place_of_the_old_one(redis_url, tmp_path, edge):
    """There is one place only, and the gateway has not noticed yet that nobody is at the other end of the old path."""
    async with Running(redis_url, WEB, max_sessions=1) as running, Route(running.url) as path:
        path.http_stays = True
        async with chromium_at(address(path.url, 3), tmp_path) as page:
            old = next(iter(running.gateway._sessions))
            path.outage = True
            await page.evaluate("window.dispatchEvent(new Event('online'))")
            await until(page, "mvstylizer.stats.reconnects === 1", TIMEOUT_S)
            await happens(lambda: old not in running.gateway._sessions)
            path.outage = False
            await gains(page, "keyFrames")

        assert running.count("mvs_offers_refused_total", reason="Busy") == 0
        assert edge.seen[-1].style_id == shipped()[3].id


@pytest.mark.parametrize(
    "event", ["window.dispatchEvent(new Event('online'))", "navigator.connection.dispatchEvent(new Event('change'))"]
)
async def test_a_change_of_the_network_that_cuts_nothing_costs_nothing(redis_url, tmp_path, edge, event):
    async with Running(redis_url, WEB) as running, chromium_at(address(running.url), tmp_path) as page:
        await page.evaluate(event)
        heard = await stats(page, "keyFrames")
        await until(page, f"mvstylizer.stats.keyFrames > {heard} + 10", TIMEOUT_S)

        assert await stats(page, "reconnects") == 0
