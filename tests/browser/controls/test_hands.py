"""What hands do to the picture: keys, taps, presses that are held, and swipes."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from pipeline.contract.image_codec import decode_image
from support.browsers.chromium import phone, snapshot, until
from support.browsers.fake_peer import FakePeer
from support.browsers.in_page import CONTROLS_WAIT, HINTS_STAY, picture
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
#: A look that turns the picture into another one.
LOOK = make_grid((1, 1, 1), seed=3, deviation=0.3)


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, server: PageServer) -> AsyncIterator[Page]:
    """The page with a live picture, in a phone's size."""
    async with phone(browser) as page:
        await page.add_init_script(CONTROLS_WAIT)
        await page.add_init_script(HINTS_STAY)
        await go_live(page, server)
        yield page


async def go_live(page: Page, server: PageServer) -> None:
    peer = FakePeer(page, server)
    await peer.install()
    await page.goto(f"{server.url}/?source=camera&autostart=1&style=dusk")
    await until(page, "mvstylizer.state === 'waiting'")
    await peer.look("dusk", LOOK)
    await until(page, "mvstylizer.state === 'live'")


async def chosen(page: Page, name: str) -> None:
    await expect(page.get_by_role("radio", name=name)).to_be_checked()


async def middle(page: Page) -> tuple[float, float]:
    box = await page.locator("#output").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def touch(page: Page, kind: str, x: float, y: float, pointer: str = "touch") -> None:
    """Let a finger come down, move or leave at a place of the page."""
    await page.evaluate(
        """([kind, clientX, clientY, pointerType]) => {
          const { prototype } = Element;
          prototype.setPointerCapture = () => {}; // there is none for a finger that a script has made
          const at = { clientX, clientY, pointerType, pointerId: 7, isPrimary: true, bubbles: true };
          document.elementFromPoint(clientX, clientY).dispatchEvent(new PointerEvent(kind, at));
        }""",
        [kind, x, y, pointer],
    )


async def swipe(page: Page, across: float, down: float = 0) -> None:
    x, y = await middle(page)
    await touch(page, "pointerdown", x, y)
    await touch(page, "pointermove", x + across / 2, y + down / 2)
    await touch(page, "pointerup", x + across, y + down)


async def shows_the_look(page: Page) -> bool:
    """Whether the page shows the look, and not the camera's picture as it is."""
    box = await page.locator("#output").bounding_box()
    middle = {key: box[key] + box[side] / 4 for key, side in (("x", "width"), ("y", "height"))}
    seen = decode_image(await page.screenshot(clip={**middle, "width": box["width"] / 2, "height": box["height"] / 2}))
    shape = np.s_[90:270, 160:480]  # of the camera's 360 rows and 640 columns
    source, stylized = (picture[shape].mean((0, 1)) for picture in await snapshot(page))
    mean = seen.mean((0, 1))
    return bool(np.abs(mean - stylized).max() < np.abs(mean - source).max())


async def comes_to_show(page: Page, look: bool) -> None:
    for _ in range(100):
        if await shows_the_look(page) == look:
            return
    raise AssertionError(f"the page never showed {'the look' if look else 'the untouched picture'}")


# Keys


async def test_digits_choose_looks_and_say_which(page):
    await page.keyboard.press("3")
    await chosen(page, "Autumn")
    await expect(page.locator("#hint")).to_have_text("Autumn")

    await page.evaluate("hinted()")
    await page.keyboard.press("9")  # there are three
    await chosen(page, "Autumn")
    await expect(page.locator("#hint")).to_be_hidden()


async def test_the_space_bar_saves_a_photo_unless_the_keyboard_is_on_a_control(page):
    async with page.expect_download() as download:
        await page.keyboard.press("Space")
    assert (await download.value).suggested_filename.endswith(".jpg")

    await page.click("#compare")
    async with page.expect_download():
        await page.keyboard.press("Space")  # the button has the focus only because it was clicked
    await expect(page.locator("#compare")).to_have_attribute("aria-pressed", "true")

    await page.locator("#shutter").focus()
    await page.keyboard.press("Tab")
    await expect(page.locator("#compare")).to_be_focused()
    await page.keyboard.press("Space")
    await expect(page.locator("#compare")).to_have_attribute("aria-pressed", "false")


async def test_letters_do_what_the_buttons_do(page):
    for key, selector, attribute, value in (
        ("c", "#compare", "aria-pressed", "true"),
        ("C", "#compare", "aria-pressed", "false"),
        ("f", "#full-screen", "aria-pressed", "true"),
        ("f", "#full-screen", "aria-pressed", "false"),
        ("n", "#numbers", "aria-pressed", "true"),
        ("r", "#record", "aria-pressed", "true"),
    ):
        await page.keyboard.press(key)
        await expect(page.locator(selector)).to_have_attribute(attribute, value)
    await until(page, f"mvstylizer.stats.framesSeen > {await page.evaluate('mvstylizer.stats.framesSeen')} + 15")
    async with page.expect_download():
        await page.keyboard.press("r")


async def test_keys_with_control_or_in_a_dialog_are_for_others(page):
    await page.keyboard.press("Control+c")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys and gestures")).to_be_visible()
    await page.keyboard.press("c")
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("dialog", name="Keys and gestures")).to_be_hidden()
    await expect(page.locator("#compare")).to_have_attribute("aria-pressed", "false")


async def test_keys_can_be_switched_off_and_stay_so(page, server):
    for is_on in (False, True):
        await page.click("#more")
        await page.click("#open-help")
        await page.get_by_role("checkbox", name="Use these keys").set_checked(is_on)
        await page.get_by_role("button", name="Done").click()
        await page.reload()
        await until(page, "mvstylizer.stats.framesSeen > 3")
        await page.keyboard.press("2")
        await page.keyboard.press("Tab")
        assert await page.get_by_role("radio", name="Snow").is_checked() == is_on


# Before and after


async def test_a_held_key_shows_the_untouched_picture_and_a_short_press_the_divider(page):
    await comes_to_show(page, look=True)
    await page.keyboard.down("c")
    await comes_to_show(page, look=False)
    await expect(page.locator("#hint")).to_have_text("Before")

    await page.keyboard.up("c")
    await comes_to_show(page, look=True)
    await expect(page.locator("#hint")).to_be_hidden()
    await expect(page.locator("#divider")).to_be_hidden()

    await page.keyboard.press("c")
    await expect(page.locator("#divider")).to_be_visible()


async def test_the_held_button_shows_the_untouched_picture_and_a_click_the_divider(page):
    button = page.locator("#compare")
    await button.hover()
    await page.mouse.down()
    await comes_to_show(page, look=False)
    await page.mouse.up()
    await comes_to_show(page, look=True)
    await expect(page.locator("#divider")).to_be_hidden()

    await button.click()
    await expect(page.locator("#divider")).to_be_visible()
    await button.press("Enter")
    await expect(page.locator("#divider")).to_be_hidden()


async def test_a_held_picture_is_untouched_until_it_is_let_go(page):
    x, y = await middle(page)
    await page.mouse.move(x, y)
    await page.mouse.down()
    await comes_to_show(page, look=False)
    await page.mouse.up()
    await comes_to_show(page, look=True)
    await expect(page.locator("body[data-controls='hidden']")).to_have_count(0)  # it was no tap


async def test_a_recording_keeps_the_look_while_the_page_shows_the_untouched_picture(page):
    await page.keyboard.press("r")
    await page.keyboard.down("c")
    await comes_to_show(page, look=False)
    await page.evaluate("""() => {
      const { drawImage } = CanvasRenderingContext2D.prototype;
      CanvasRenderingContext2D.prototype.drawImage = function (source, ...place) {
        drawImage.call(this, source, ...place);
        if (source === mvstylizer.output) window.recordedFrame = this.canvas.toDataURL();
      };
    }""")
    await until(page, "window.recordedFrame")

    recorded = picture(await page.evaluate("recordedFrame")).mean((0, 1))
    source, stylized = (seen.mean((0, 1)) for seen in await snapshot(page))
    assert np.abs(recorded - stylized).max() < np.abs(recorded - source).max()


# Taps and swipes


async def test_a_tap_hides_the_controls_and_another_one_shows_them(page):
    for hidden in (1, 0):
        await swipe(page, 0)
        await expect(page.locator("body[data-controls='hidden']")).to_have_count(hidden)


async def test_a_click_hides_the_controls_until_the_mouse_moves(page):
    x, y = await middle(page)
    await page.mouse.click(x, y)
    await page.mouse.move(x + 2, y)
    await expect(page.locator("body[data-controls='hidden']")).to_have_count(1)

    await page.mouse.move(x + 40, y)
    await expect(page.locator("body[data-controls='hidden']")).to_have_count(0)


async def test_swipes_change_the_look_to_either_side_and_around(page):
    await swipe(page, -90)
    await chosen(page, "Snow")
    await expect(page.locator("#hint")).to_have_text("Snow")
    await swipe(page, 90)
    await chosen(page, "Dusk")
    await swipe(page, 90)
    await chosen(page, "Autumn")


@pytest.mark.parametrize(("across", "down"), [(-30, 0), (-90, 80), (0, 120)])
async def test_short_and_slanting_strokes_change_nothing(page, across, down):
    await swipe(page, across, down)

    await page.keyboard.press("Tab")
    await chosen(page, "Dusk")
    await expect(page.locator("body[data-controls='hidden']")).to_have_count(0)


async def test_a_second_finger_ends_a_gesture(page):
    x, y = await middle(page)
    await touch(page, "pointerdown", x, y)
    await page.evaluate(
        """([x, y]) => document.elementFromPoint(x, y).dispatchEvent(new PointerEvent('pointerdown',
      { clientX: x, clientY: y, pointerId: 8, isPrimary: false, bubbles: true }))""",
        [x, y],
    )
    await touch(page, "pointerup", x - 90, y)

    await page.keyboard.press("Tab")
    await chosen(page, "Dusk")
