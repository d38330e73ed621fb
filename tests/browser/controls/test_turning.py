"""A phone that is turned while its picture is live."""

import pytest
from playwright.async_api import Page, expect

from support.browsers.chromium import phone, until
from support.browsers.fake_peer import FakePeer
from support.browsers.in_page import CONTROLS_WAIT
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
UPRIGHT, LYING = {"width": 390, "height": 844}, {"width": 844, "height": 390}
#: Runs in the page: where the picture and the shutter are, and whether something lies on the shutter.
PLACES = """() => {
  const [picture, shutter] = ['picture', 'shutter'].map((id) => document.getElementById(id));
  const boxes = [picture, shutter].map((it) => it.getBoundingClientRect().toJSON());
  const { left, top, width, height } = boxes[1];
  const points = [[0.5, 0.5], [0.5, 0.1], [0.5, 0.9], [0.1, 0.5], [0.9, 0.5]];
  const isFree = points.every(([x, y]) => document.elementFromPoint(left + x * width, top + y * height) === shutter);
  return [...boxes, isFree];
}"""


async def turn(page: Page, size: dict) -> tuple[dict, dict]:
    """Turn the phone; returns the boxes of the picture and of the shutter."""
    await page.set_viewport_size(size)
    seen = await page.evaluate("mvstylizer.stats.framesSeen")
    await until(page, f"innerWidth === {size['width']} && mvstylizer.stats.framesSeen > {seen} + 3")
    picture, shutter, is_free = await page.evaluate(PLACES)
    assert is_free
    assert 0 <= shutter["left"] and shutter["right"] <= size["width"] and shutter["bottom"] <= size["height"]
    return picture, shutter


async def test_the_picture_stays_live_and_fills_the_page_however_the_phone_is_turned(browser, server):
    async with phone(browser) as page:
        await page.add_init_script(CONTROLS_WAIT)
        peer = FakePeer(page, server)
        await peer.install()
        await page.goto(f"{server.url}/?source=camera&autostart=1&style=dusk")
        await until(page, "mvstylizer.state === 'waiting'")
        await peer.look("dusk", make_grid((1, 1, 1), deviation=0.01))
        await until(page, "mvstylizer.state === 'live'")

        for size in (UPRIGHT, LYING, UPRIGHT, LYING):
            picture, shutter = await turn(page, size)

            assert picture["width"] == pytest.approx(size["width"])  # from edge to edge
            if size is LYING:
                assert picture["top"] <= 0 and picture["bottom"] >= size["height"]
            else:
                assert picture["bottom"] <= shutter["top"]
            await peer.look("dusk", make_grid((1, 1, 1), deviation=0.01))
            await until(page, "mvstylizer.state === 'live'")
        assert len(server.offers) == 1 and await page.evaluate("mvstylizer.stats.reconnects") == 0
