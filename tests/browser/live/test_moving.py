"""The page in Chromium, while its gateway is replaced by another one behind the same address."""

import asyncio
import ipaddress
import shutil

import pytest
from playwright.async_api import Page

from support.browsers.chromium import chromium, snapshot, until, write_panned_photo
from support.browsers.page_server import WEB
from support.services.balancer import balancer
from support.webrtc.peers import Running
from support.webrtc.peers import until as until_here

#: What a flat edge leaves of the differences within a picture: a few levels at the edges, from the codec.
FLAT = 3
#: Runs in the page: keeps every state that it passes through from now on.
STATES = """() => {
  window.states = [document.body.dataset.state];
  const keep = () => states.push(document.body.dataset.state);
  new MutationObserver(keep).observe(document.body, { attributeFilter: ['data-state'] });
}"""


async def spread(page: Page) -> float:
    """How much the colours on show differ within the picture."""
    source, shown = await snapshot(page)
    assert source.std((0, 1)).max() > 10 * FLAT
    return shown.std((0, 1)).max()


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is missing")
async def test_the_page_moves_to_the_other_gateway_and_keeps_its_look(patched, redis_url, edge, tmp_path):
    camera = write_panned_photo(tmp_path / "camera.y4m", frames=10)
    proxies = (ipaddress.ip_network("127.0.0.1"),)
    async with (
        Running(redis_url, WEB, trusted_proxies=proxies) as first,
        Running(redis_url, WEB, trusted_proxies=proxies) as second,
        balancer(tmp_path, *(int(gateway.url.rpartition(":")[2]) for gateway in (first, second))) as url,
        chromium(camera) as browser,
    ):
        page = await browser.new_page()
        await page.goto(f"{url}/?source=camera&autostart=1&look=dusk&strength=100")
        await until(page, "mvstylizer.state === 'live'", timeout_s=60)
        old, new = (first, second) if first.count("mvs_sessions") else (second, first)
        while await spread(page) > FLAT:  # the first look fades in
            pass
        await page.evaluate(STATES)
        answers = await page.evaluate("mvstylizer.stats.keyFrames")

        draining = asyncio.create_task(old.gateway.drain(60))
        while await page.evaluate("mvstylizer.stats.keyFrames") < answers + 3 or not draining.done():
            assert await spread(page) < FLAT

        await until(page, "mvstylizer.state === 'live'")
        await until_here(lambda: (old.count("mvs_sessions"), new.count("mvs_sessions")) == (0, 1))
        assert set(await page.evaluate("states")) <= {"live", "waiting"}
        assert await page.evaluate("mvstylizer.stats.reconnects") == 0
