"""How looks are reached on screens that cannot show them all, and where the dock's parts lie."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from support.browsers.chromium import phone, until
from support.browsers.page_server import STYLES, PageServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = [{"id": f"look-{number}", "name": f"Look {number}", "thumbnail": "/photo.jpg"} for number in range(20)]
SCROLLED = "document.getElementById('gallery').scrollLeft"


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, server: PageServer) -> AsyncIterator[Page]:
    """The page with the camera on show, and with more looks than fit."""
    server.styles_answer = [*STYLES, *MANY]
    async with phone(browser) as page:
        await page.goto(f"{server.url}/?source=camera&autostart=1")
        await until(page, "mvstylizer.stats.framesSeen > 3")
        await expect(page.get_by_role("radio")).to_have_count(len(STYLES) + len(MANY))
        yield page


async def middle(page: Page, name: str) -> tuple[float, float]:
    box = await page.get_by_role("radio", name=name, exact=True).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def test_the_wheel_scrolls_the_looks_sideways(page):
    await page.mouse.move(*await middle(page, "Snow"))

    await page.mouse.wheel(0, 200)
    await until(page, f"{SCROLLED} === 200")
    await page.mouse.wheel(0, -150)

    await until(page, f"{SCROLLED} === 50")


async def test_the_mouse_drags_the_looks_and_chooses_none_by_that(page):
    x, y = await middle(page, "Autumn")
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x - 120, y + 4, steps=4)
    await page.mouse.up()

    await until(page, f"{SCROLLED} === 120")
    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    await page.mouse.click(*await middle(page, "Autumn"))
    await expect(page.get_by_role("radio", name="Autumn")).to_be_checked()


async def test_what_the_mouse_pulls_out_of_the_row_does_not_scroll_it(page):
    x, y = await middle(page, "Autumn")
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x - 10, y - 60, steps=4)
    await page.mouse.move(x - 120, y - 60, steps=4)
    await page.mouse.up()

    assert await page.evaluate(SCROLLED) == 0


async def test_a_finger_swipes_the_looks(server, browser):
    server.styles_answer = [*STYLES, *MANY]
    context = await browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = await context.new_page()
    await page.goto(server.url)
    await expect(page.get_by_role("radio")).to_have_count(len(STYLES) + len(MANY))
    x, y = await middle(page, "Autumn")
    session = await context.new_cdp_session(page)

    for kind, moved in [("touchStart", 0), *(("touchMove", 15 * step) for step in range(1, 11)), ("touchEnd", None)]:
        points = [] if moved is None else [{"x": x - moved, "y": y}]
        await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    await until(page, f"{SCROLLED} > 100")
    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    await context.close()


async def test_ones_own_photo_can_be_added_however_far_the_looks_are_scrolled(page):
    place = await page.locator(".upload").bounding_box()

    await page.evaluate("document.getElementById('gallery').scrollLeft = 1e4")

    assert await page.locator(".upload").bounding_box() == place
    last = await page.get_by_role("radio", name="Look 19").bounding_box()
    assert place["x"] + place["width"] <= last["x"] and last["x"] + last["width"] <= 390


@pytest.mark.parametrize(("size", "rows"), [((360, 640), 2), ((390, 844), 2), ((820, 1180), 2), ((844, 390), 1)])
async def test_the_dock_has_two_rows_where_it_is_narrow_and_one_where_it_is_low(page, size, rows):
    await page.set_viewport_size({"width": size[0], "height": size[1]})

    looks = await page.locator(".strip").bounding_box()
    shutter = await page.locator("#shutter").bounding_box()
    dock = await page.locator("#dock").bounding_box()

    assert (shutter["y"] >= looks["y"] + looks["height"]) == (rows == 2)
    assert dock["height"] < (210 if rows == 2 else 100)
    if rows == 2:
        assert abs(shutter["x"] + shutter["width"] / 2 - size[0] / 2) < 3
