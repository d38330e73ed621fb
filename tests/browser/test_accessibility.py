"""No state of the pages violates a rule of accessibility: contrast, names, roles, headings, focus."""

import copy
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from pipeline.contract.image_codec import encode_jpeg
from support.browsers.axe import violations
from support.browsers.chromium import PHONE, chromium, write_y4m
from support.browsers.contrast import faint_words
from support.browsers.fake_peer import FakePeer
from support.browsers.in_page import CONTROLS_WAIT, HINTS_STAY
from support.browsers.operators_state import EMPTY, STATE
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE = {"width": 1440, "height": 900}
BUSY = STATE | {"alerts": ["The edge is busy: looks are renewed every 2.0 s. Add workers.", "More."]}
#: The state of the operators' page, and the answer that brings it about.
ANSWERS = [("waiting", {}), ("well", STATE), ("alert", BUSY), ("well", EMPTY), ("refused", None)]


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport=PHONE, reduced_motion="reduce")
    yield page
    await page.close()


async def state_is(page: Page, state: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-state", state)


@pytest.mark.parametrize("width", [360, 1440])
async def test_every_state_of_the_operators_page(page, server, width):
    await page.set_viewport_size({"width": width, "height": 800})
    found = []
    for state, answer in ANSWERS:
        server.status_answer = copy.deepcopy(answer)
        if not found:
            await page.goto(f"{server.url}/status")
        async with page.expect_response("**/status.json"):
            pass
        await state_is(page, state)
        found.append(await violations(page))
    server.status_answer = copy.deepcopy(STATE)
    await state_is(page, "well")
    await page.locator(".plot").nth(1).focus()
    found.append(await violations(page))
    await page.route("**/status.json", lambda route: route.abort())
    await state_is(page, "lost")
    found.append(await violations(page))

    assert found == [[]] * 7


# The page. Behind its words are pictures, of any colour.


async def states(page: Page, peer: FakePeer, server: PageServer) -> AsyncIterator[str]:
    """Bring the page into one state after the other; yields their names."""
    await page.goto(server.url)
    await expect(page.locator("#gallery label.tile")).to_have_count(3)
    yield "start"
    await page.click("#begin-camera")
    await state_is(page, "waiting")
    yield "waiting"
    await peer.look("dusk", make_grid((1, 1, 1), deviation=0.001))
    await state_is(page, "live")
    yield "live"
    for opener, name in (("open-link", "link"), ("open-help", "help"), ("open-pictures", "pictures")):
        await page.click("#more")
        if name == "link":
            yield "menu"
        await page.click(f"#{opener}")
        yield name
        await page.keyboard.press("Escape")
    await page.keyboard.press("n")
    await page.keyboard.press("c")
    await peer.say(type="error", error="The server did not take this look, and goes on with the one before.")
    await peer.say(type="pace", fps=5, look_interval_s=2)
    await peer.look("dusk", make_grid((1, 1, 1), deviation=0.001))  # the states before took their time
    await expect(page.locator("#status")).to_contain_text("Busy")
    await page.keyboard.press("2")
    yield "busy, with a remark and a hint, numbers and the divider"
    await page.evaluate("hinted()")
    await page.evaluate("waited()")
    yield "without controls"


async def other_states(page: Page, server: PageServer) -> AsyncIterator[str]:
    camera = f"{server.url}/?source=camera&autostart=1"
    server.answer = None
    for state, wait_s in (("full", 60), ("lost", None)):
        server.retry_after_s = wait_s
        await page.goto(camera)
        await state_is(page, state)
        yield state
    await page.goto(f"{server.url}/?clean=1")
    await state_is(page, "lost")
    yield "clean"
    for state, answer in (("opening", "new Promise(() => {})"), ("failed", "Promise.reject(new Error('no'))")):
        await page.add_init_script(f"navigator.mediaDevices.getUserMedia = () => {answer}")
        await page.goto(camera)
        await state_is(page, state)
        yield state


@pytest.mark.parametrize(("level", "size"), [(0, WIDE), (255, PHONE), (255, WIDE)])
async def test_no_state_of_the_page_has_a_violation_or_words_that_are_faint(tmp_path, server, level, size):
    """On a white picture and on a black one, so on any."""
    flat = np.full((180, 320, 3), level, np.uint8)
    thumbnail = encode_jpeg(flat)
    found = {}
    async with chromium(write_y4m(tmp_path / "camera.y4m", [flat] * 2, fps=2)) as browser:
        page = await browser.new_page(viewport=size, reduced_motion="reduce")
        await page.add_init_script(CONTROLS_WAIT)
        await page.add_init_script(HINTS_STAY)
        await page.route("**/photo.jpg", lambda route: route.fulfill(body=thumbnail, content_type="image/jpeg"))
        peer = FakePeer(page, server)
        await peer.install()
        for each in (states(page, peer, server), other_states(page, server)):
            async for state in each:
                found[state] = [*await violations(page), *await faint_words(page)]

    assert {state: wrong for state, wrong in found.items() if wrong} == {}
    assert len(found) == 14
