"""The page in Chromium, while its gateway is full."""

from playwright.async_api import expect

from support.browsers.chromium import chromium, until, write_panned_photo
from support.browsers.page_server import WEB
from support.webrtc.peers import Client, Running

expect.set_options(timeout=30_000)


async def test_the_page_waits_before_a_full_gateway_and_comes_in_by_itself(patched, redis_url, edge, tmp_path):
    camera = write_panned_photo(tmp_path / "camera.y4m", frames=10)
    async with Running(redis_url, WEB, max_sessions=1) as running, chromium(camera) as browser:
        inside = Client(running.url)
        await inside.open()
        page = await browser.new_page()

        await page.goto(f"{running.url}/?source=camera&autostart=1")

        sentence = "All 1 places are taken; try again in a moment. This page does so by itself."
        await expect(page.locator("#status")).to_contain_text(sentence)
        refused = running.count("mvs_offers_refused_total", reason="Busy")
        await until(page, "mvstylizer.state === 'full' && mvstylizer.stats.framesSeen > 3")
        assert refused >= 1 and running.count("mvs_sessions") == 1

        await inside.close()

        await until(page, "mvstylizer.state === 'live'", timeout_s=60)
        await expect(page.locator("#status")).to_be_hidden()
        assert await page.evaluate("mvstylizer.stats.reconnects") == 0
