"""No state of the pages violates a rule of accessibility: contrast, names, roles, headings, focus."""

import copy
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from support.axe import violations
from support.chromium import PHONE
from support.fake_peer import FakePeer
from support.grids import make_grid
from support.operators_state import EMPTY, STATE

pytestmark = pytest.mark.asyncio(loop_scope="module")

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


async def test_every_state_of_the_start_page(page, server):
    peer, found = FakePeer(page, server), []
    await peer.install()
    await page.goto(server.url)
    await expect(page.locator("#gallery label.tile")).to_have_count(3)
    found.append(await violations(page))
    await page.click("#begin-camera")
    await state_is(page, "waiting")
    found.append(await violations(page))
    await peer.look("dusk", make_grid((8, 1, 1)))
    await state_is(page, "live")
    await page.click("#compare")
    found.append(await violations(page))
    await page.click("#pictures")
    found.append(await violations(page))

    assert found == [[]] * 4
