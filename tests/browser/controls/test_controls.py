"""The controls over the picture: how much of it they cover, and when they fade and come back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from pipeline.contract.image_codec import decode_image
from support.browsers.chromium import PHONE, chromium, photo, until, write_y4m
from support.browsers.fake_peer import FakePeer
from support.browsers.in_page import CONTROLS_WAIT
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
WIDE = {"width": 1440, "height": 900}
#: The sizes of pages for which the layout is made, and the shapes of pictures on each.
PAGES = [(360, 640), (390, 844), (844, 390), (820, 1180), (1024, 600), (1440, 900), (720, 450)]
PICTURES = [(640, 360), (480, 640), (360, 640), (640, 480)]
#: The largest share of a picture that the controls may change.
MOST_SHADED = 0.15


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory) -> AsyncIterator[Browser]:
    """A browser whose camera's picture stands still."""
    async with chromium(still(tmp_path_factory.mktemp("camera") / "camera.y4m", 640, 360)) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport=WIDE, reduced_motion="reduce")
    await page.add_init_script(CONTROLS_WAIT)
    yield page
    await page.close()


def still(path: Path, width: int, height: int) -> Path:
    return write_y4m(path, [photo(width, height)] * 2, fps=2)


async def go_live(page: Page, server: PageServer) -> None:
    peer = FakePeer(page, server)
    await peer.install()
    await page.mouse.move(700, 300)
    await page.goto(f"{server.url}/?source=camera&autostart=1&style=dusk")
    await until(page, "mvstylizer.state === 'waiting'")
    await peer.look("dusk", make_grid((1, 1, 1), deviation=0.01))
    await until(page, "mvstylizer.state === 'live'")


async def wait(page: Page) -> None:
    """Let the time pass after which the controls fade."""
    await page.evaluate("waited()")


async def are_hidden(page: Page, hidden: bool) -> None:
    await expect(page.locator("body[data-controls='hidden']")).to_have_count(int(hidden))


# How much they cover


@pytest.mark.parametrize(("width", "height"), PICTURES)
async def test_the_controls_shade_at_most_15_percent_of_any_picture_on_any_page(tmp_path, server, width, height):
    async with chromium(still(tmp_path / "camera.y4m", width, height)) as browser:
        page = await browser.new_page(viewport=WIDE, reduced_motion="reduce")
        await go_live(page, server)
        shaded = {}
        for size in PAGES:
            await page.set_viewport_size({"width": size[0], "height": size[1]})
            for _ in range(4):  # the page may still be moving into its new shape
                shaded[size] = await share_shaded(page)
                if shaded[size] <= MOST_SHADED:
                    break
                await asyncio.sleep(0.5)

    assert {size: share for size, share in shaded.items() if share > MOST_SHADED} == {}
    assert max(shaded.values()) > 0.01  # the comparison sees something


async def share_shaded(page: Page) -> float:
    """The share of the picture's pixels on the page that the controls change."""
    box = await page.locator("#picture").bounding_box()
    pictures = []
    for attribute in ("other", "controls"):
        await page.evaluate(f"delete document.body.dataset.controls, document.body.dataset.{attribute} = 'hidden'")
        pictures.append(decode_image(await page.screenshot()).astype(int))
    left, top = max(0, round(box["x"])), max(0, round(box["y"]))
    part = np.s_[top : round(box["y"] + box["height"]), left : round(box["x"] + box["width"])]
    return float((np.abs(pictures[0][part] - pictures[1][part]).max(-1) > 6).mean())


# When they fade


async def test_the_controls_fade_without_input_and_come_back_with_a_mouse_or_the_keyboard(page, server):
    await go_live(page, server)
    await are_hidden(page, False)
    await wait(page)
    await are_hidden(page, True)
    assert await page.locator("#dock").evaluate("(dock) => getComputedStyle(dock).opacity") == "0"

    await page.mouse.move(600, 350)
    await are_hidden(page, False)
    await wait(page)
    await are_hidden(page, True)

    await page.keyboard.press("Tab")
    await are_hidden(page, False)


async def test_the_controls_stay_while_a_mouse_is_on_them(page, server):
    await go_live(page, server)
    await page.mouse.move(700, 850)
    await wait(page)
    await are_hidden(page, False)

    await page.mouse.move(700, 300)
    await wait(page)
    await are_hidden(page, True)


async def test_the_controls_stay_while_the_keyboard_is_on_them(page, server):
    await go_live(page, server)
    await page.keyboard.press("Tab")
    await wait(page)
    await are_hidden(page, False)

    await page.evaluate("document.activeElement.blur()")
    await wait(page)
    await are_hidden(page, True)


@pytest.mark.parametrize("button", ["#more", "#pictures"])
async def test_the_controls_stay_while_a_menu_or_a_dialog_is_open(page, server, button):
    await go_live(page, server)
    await page.click(button)
    await page.mouse.move(700, 300)
    await page.evaluate("document.activeElement.blur()")
    await wait(page)
    await are_hidden(page, False)

    await page.keyboard.press("Escape")
    await page.evaluate("document.activeElement.blur()")
    await wait(page)
    await are_hidden(page, True)


async def test_without_a_picture_the_controls_stay(page, server):
    await page.goto(server.url)
    await wait(page)
    await are_hidden(page, False)


async def test_what_is_said_stays_on_show_without_the_controls(page, server):
    server.answer = None
    await page.goto(f"{server.url}/?source=camera&autostart=1")
    await until(page, "mvstylizer.state === 'lost'")

    await wait(page)
    await are_hidden(page, True)

    await expect(page.locator("#status")).to_be_visible()
    assert await page.locator(".notices").evaluate("(notices) => getComputedStyle(notices).opacity") == "1"


# Numbers, the whole screen, and a window


async def test_the_numbers_are_shown_on_demand(page, server):
    await go_live(page, server)
    await expect(page.locator("#readout")).to_be_hidden()

    await page.click("#more")
    await page.click("#numbers")

    await expect(page.locator("#numbers")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#readout")).to_be_visible()
    await expect(page.locator("#fps")).not_to_have_text("–")


async def test_the_page_takes_the_whole_screen_and_gives_it_back(page, server):
    await go_live(page, server)
    button = page.get_by_role("button", name="Full screen")
    for whole in ("true", "false"):
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", whole)
        assert await page.evaluate("String(document.fullscreenElement !== null)") == whole


async def test_where_there_is_no_whole_screen_there_is_no_button_for_it(page, server):
    await page.add_init_script("Object.defineProperty(Document.prototype, 'fullscreenEnabled', { value: false })")
    await page.set_viewport_size(PHONE)
    await page.goto(server.url)

    await expect(page.get_by_role("button", name="Full screen")).to_have_count(0)


#: Runs before the page's scripts: the videos that are in windows of their own are in `floating`.
WINDOWS = """
window.floating = new Set();
const { requestPictureInPicture } = HTMLVideoElement.prototype;
HTMLVideoElement.prototype.requestPictureInPicture = function () {
  this.addEventListener('enterpictureinpicture', () => floating.add(this));
  this.addEventListener('leavepictureinpicture', () => floating.delete(this));
  return requestPictureInPicture.call(this);
};
"""
#: Runs in the page: how many levels the window's picture differs from the page's, on average.
DIFFERENCE = """() => {
  const [{ output }, [video]] = [mvstylizer, floating];
  const pixels = [video, output].map((source) => {
    const context = new OffscreenCanvas(64, 36).getContext('2d');
    context.drawImage(source, 0, 0, 64, 36);
    return context.getImageData(0, 0, 64, 36).data;
  });
  return pixels[0].reduce((sum, value, at) => sum + Math.abs(value - pixels[1][at]), 0) / pixels[0].length;
}"""


async def test_the_picture_floats_in_a_window_with_its_look_until_it_is_put_back_or_ends(page, server):
    await page.add_init_script(WINDOWS)
    await go_live(page, server)
    button = page.locator("#float")
    await page.click("#more")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "true")
    await until(page, f"floating.size === 1 && ({DIFFERENCE})() < 5")

    await page.keyboard.press("p")
    await expect(button).to_have_attribute("aria-pressed", "false")
    assert await page.evaluate("floating.size") == 0

    await page.keyboard.press("p")
    await expect(button).to_have_attribute("aria-pressed", "true")
    await page.evaluate("document.getElementById('video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
    await expect(button).to_have_attribute("aria-pressed", "false")
    await expect(button).to_be_hidden()


async def test_where_pictures_do_not_float_nothing_offers_it(page, server):
    await page.add_init_script("delete HTMLVideoElement.prototype.requestPictureInPicture")
    await go_live(page, server)

    await page.click("#more")

    await expect(page.locator("#numbers")).to_be_visible()
    await expect(page.locator("#float")).to_be_hidden()


async def test_a_window_that_does_not_open_is_no_riddle(page, server):
    await page.add_init_script("HTMLVideoElement.prototype.requestPictureInPicture = () => Promise.reject(new Error())")
    await go_live(page, server)

    await page.keyboard.press("p")

    await expect(page.locator("#remark")).to_contain_text("did not open the window")
    await expect(page.locator("#float")).to_have_attribute("aria-pressed", "false")
