"""Brings the page into each of its states, one after the other, so that a test can look at all of them."""

from collections.abc import AsyncIterator

from playwright.async_api import Page, expect

from support.browsers.fake_peer import FakePeer
from support.browsers.in_page import CONTROLS_WAIT, HINTS_STAY
from support.browsers.page_server import STYLES, PageServer
from support.pictures.grids import make_grid

#: How many there are.
COUNT = 17
LOOK = make_grid((1, 1, 1), deviation=0.001)


async def state_is(page: Page, state: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-state", state)


async def states(page: Page, server: PageServer) -> AsyncIterator[str]:
    """Yield the name of each state when the page is in it. The page has not gone anywhere yet."""
    await page.add_init_script(CONTROLS_WAIT)
    await page.add_init_script(HINTS_STAY)
    server.config["mixes"] = True
    server.styles_answer = [style | {"mood": 60} for style in STYLES]
    peer = FakePeer(page, server)
    await peer.install()
    for walk in (_with_a_server(page, peer, server), _without(page, server)):
        async for state in walk:
            yield state


async def _with_a_server(page: Page, peer: FakePeer, server: PageServer) -> AsyncIterator[str]:
    await page.goto(server.url)
    await expect(page.locator("#gallery label.tile")).to_have_count(3)
    yield "start"
    await page.click("#begin-camera")
    await state_is(page, "waiting")
    yield "waiting"
    await peer.look("dusk", LOOK)
    await state_is(page, "live")
    yield "live"
    for opener, name in (("open-link", "link"), ("open-help", "help"), ("open-pictures", "pictures")):
        await page.click("#more")
        if name == "link":
            yield "menu"
        await page.click(f"#{opener}")
        yield name
        await page.keyboard.press("Escape")
    await page.click("#camera")
    yield "cameras"
    await page.keyboard.press("Escape")
    await page.keyboard.press("n")
    await page.keyboard.press("c")
    await peer.say(type="error", error="The server did not take this look, and goes on with the one before.")
    await peer.say(type="pace", fps=5, look_interval_s=2)
    await peer.look("dusk", LOOK)  # the states before took their time
    await expect(page.locator("#status")).to_contain_text("Busy")
    await page.keyboard.press("2")
    yield "busy, with a remark and a hint, numbers and the divider"
    await page.evaluate("hinted()")
    async with page.expect_download():
        await page.keyboard.press("Space")
    await page.keyboard.press("r")
    await expect(page.locator("#recorded")).to_be_visible()
    await page.click("#mix")
    await page.locator(".tile").filter(has=page.get_by_role("radio", name="Autumn", exact=True)).click()
    await expect(page.locator("#mix-share")).to_be_visible()
    yield "recording, with a photo taken and a mix"
    async with page.expect_download():
        await page.keyboard.press("r")
    await page.click("#last-shot")
    yield "viewer"
    await page.keyboard.press("Escape")
    await page.mouse.move(100, 200)
    await page.evaluate("document.activeElement.blur()")
    await page.evaluate("waited()")
    yield "without controls"


async def _without(page: Page, server: PageServer) -> AsyncIterator[str]:
    """The states without a server or without a picture."""
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
