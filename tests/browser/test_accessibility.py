"""No state of the pages violates a rule of accessibility: contrast, names, roles, headings, focus."""

import copy
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from pipeline.contract.image_codec import encode_jpeg
from support.browsers.axe import violations
from support.browsers.chromium import PHONE, chromium, complaints, write_y4m
from support.browsers.contrast import faint_words
from support.browsers.operators_state import EMPTY, STATE
from support.browsers.page_states import COUNT, state_is, states

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


@pytest.mark.parametrize(("level", "size"), [(0, WIDE), (255, PHONE), (255, WIDE)])
async def test_no_state_of_the_page_has_a_violation_or_words_that_are_faint(tmp_path, server, level, size):
    """On a white picture and on a black one, so on any."""
    flat = np.full((180, 320, 3), level, np.uint8)
    thumbnail = encode_jpeg(flat)
    found = {}
    async with chromium(write_y4m(tmp_path / "camera.y4m", [flat] * 2, fps=2)) as browser:
        page = await browser.new_page(viewport=size, reduced_motion="reduce")
        await page.route("**/photo.jpg", lambda route: route.fulfill(body=thumbnail, content_type="image/jpeg"))
        async for state in states(page, server):
            found[state] = [*await violations(page), *await faint_words(page)]

    assert {state: wrong for state, wrong in found.items() if wrong} == {}
    assert len(found) == COUNT


#: Runs in the page: what reaches beyond its right or left edge without lying in something that scrolls or cuts it off,
#: and what scrolls though it should not.
TOO_WIDE = """() => {
  const isCut = (it) => it && it !== document.body
    && (getComputedStyle(it).overflowX !== 'visible' || isCut(it.parentElement));
  const meant = '.picture, .picture *, .backdrop, .gallery'; // the row of looks goes to the edge
  const seen = [...document.body.querySelectorAll('*')].filter((it) => !it.matches(meant)
    && it.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !isCut(it.parentElement));
  const wide = seen.filter((it) => {
    const { left, right, width } = it.getBoundingClientRect();
    return width > 1 && (left < -0.5 || right > innerWidth + 0.5);
  });
  const sheets = [...document.querySelectorAll('dialog[open], .menu, .notices')]
    .filter((it) => it.scrollWidth > it.clientWidth);
  return [...wide, ...sheets].map((it) => it.outerHTML.slice(0, 120));
}"""


#: Runs in the page: the pairs of its parts that lie on each other, unless something lies on all of them.
ON_EACH_OTHER = """() => {
  if (document.querySelector('dialog[open], [popover]:popover-open')) return [];
  const boxOf = (it) => {
    const words = document.createRange();
    words.selectNodeContents(it);
    return (it.matches('h1, p') ? words : it).getBoundingClientRect();
  };
  const parts = '.mark, .corner, .readout, .notices > *, .hero > *, .card > *, .last-shot, .share, .strength, .strip, '
    + '.sources, .shutter, .tools';
  const seen = [...document.querySelectorAll(parts)]
    .filter((it) => it.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
    .filter((it) => getComputedStyle(it).clipPath === 'none')
    .map((it) => [it.id || it.className || it.tagName, boxOf(it)]);
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  return seen.flatMap(([name, box], at) => seen.slice(at + 1)
    .filter(([, other]) => meet(box, other)).map(([other]) => `${name} and ${other}`));
}"""


@pytest.mark.parametrize(("width", "height"), [(320, 640), (844, 390), (1024, 600)])
async def test_no_state_is_wider_than_the_page_and_no_part_lies_on_another(browser, server, width, height):
    page = await browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
    heard, found = complaints(page), {}
    async for state in states(page, server):
        found[state] = [*await page.evaluate(TOO_WIDE), *await page.evaluate(ON_EACH_OTHER)]
    await page.close()

    assert {state: wrong for state, wrong in found.items() if wrong} == {}
    assert len(found) == COUNT and heard == []
