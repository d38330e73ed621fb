"""The keyboard's way through the page: in an order that makes sense, always to be seen, and back out of each dialog."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from pipeline.contract.image_codec import decode_image
from support.browsers.chromium import chromium, complaints, photo, until, write_y4m
from support.browsers.fake_peer import FakePeer
from support.browsers.in_page import CONTROLS_WAIT
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
#: Runs in the page: the element with the focus, by its id or that of what it is in, and its box; null at the end.
FOCUSED = """async () => {
  for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame); // it scrolls to where it is seen
  const it = document.activeElement;
  if (it === document.body) return null;
  const { x, y, width, height } = (it.closest('.tile') ?? it).getBoundingClientRect();
  const [middle, part] = [document.elementFromPoint(x + width / 2, y + height / 2), it.closest('header, main, .dock')];
  const isOnTop = (it.closest('.tile') ?? it).contains(middle);
  return { name: it.id || it.closest('[id]').id, part: part.localName, box: [x, y, width, height], isOnTop };
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory) -> AsyncIterator[Browser]:
    """A browser whose camera's picture stands still."""
    camera = tmp_path_factory.mktemp("camera") / "camera.y4m"
    async with chromium(write_y4m(camera, [photo(640, 360)] * 2, fps=10)) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, server: PageServer) -> AsyncIterator[Page]:
    """The page with all that can be on it: a live picture in a mix of two looks, the divider, and a photo taken."""
    server.config["mixes"] = True
    page = await browser.new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    heard = complaints(page)
    await page.add_init_script(CONTROLS_WAIT)
    peer = FakePeer(page, server)
    await peer.install()
    await page.goto(f"{server.url}/?source=camera&autostart=1&look=dusk.snow.40")
    await until(page, "mvstylizer.state === 'waiting'")
    await peer.look("dusk.snow.40", make_grid((1, 1, 1), deviation=0.001))
    await until(page, "mvstylizer.state === 'live'")
    async with page.expect_download():
        await page.keyboard.press("Space")
    await page.keyboard.press("c")
    await expect(page.locator("#divider")).to_be_visible()
    yield page
    await page.close()
    assert heard == []


async def shot(page: Page) -> np.ndarray:
    return decode_image(await page.screenshot()).astype(int)


async def test_the_keyboard_goes_through_the_page_in_order_and_is_always_to_be_seen(page):
    without = await shot(page)
    stops = []
    await page.keyboard.press("Tab")
    while stop := await page.evaluate(FOCUSED):
        left, top, width, height = (round(number) for number in stop["box"])
        around = np.s_[max(0, top - 8) : top + height + 8, max(0, left - 8) : left + width + 8]
        stop["changed"] = int((np.abs((await shot(page))[around] - without[around]).max(-1) > 60).sum())
        stops.append(stop)
        await page.keyboard.press("Tab")

    names = list(dict.fromkeys(stop["name"] for stop in stops))
    parts = list(dict.fromkeys(stop["part"] for stop in stops))
    assert parts == ["header", "main", "footer"]
    assert names == [
        *("pictures", "full-screen", "more", "divider", "last-shot", "photo", "gallery", "mix", "mix-share"),
        *("strength", "camera", "file", "shutter", "compare", "record"),
    ]
    assert [stop["name"] for stop in stops if not stop["isOnTop"]] == []
    assert [stop["name"] for stop in stops if stop["changed"] < 40] == []


#: What opens each dialog, and which button has the focus again when it is closed.
OPENERS = [
    ("#pictures", "#pictures"),
    ("#camera", "#camera"),
    ("#last-shot", "#last-shot"),
    ("#open-link", "#more"),
    ("#open-help", "#more"),
    ("#open-pictures", "#more"),
]


@pytest.mark.parametrize(("opener", "back"), OPENERS)
async def test_a_dialog_keeps_the_keyboard_until_it_is_closed_and_gives_it_back(page, opener, back):
    if back == "#more":
        await page.locator("#more").press("Enter")
    await page.locator(opener).press("Enter")
    dialog = page.locator("dialog[open]")
    await expect(dialog).to_be_visible()

    seen = []
    for _ in range(12):
        await page.keyboard.press("Tab")
        seen.append(
            await dialog.evaluate("(it) => [it.contains(document.activeElement), document.activeElement.localName]")
        )
    await page.keyboard.press("Escape")

    assert {name for inside, name in seen if not inside} <= {"body"}  # the browser's own controls come next
    assert len({name for inside, name in seen if inside}) >= 1
    await expect(dialog).to_have_count(0)
    await expect(page.locator(back)).to_be_focused()
