"""How many frames the page sends: as many as its server wants, while it shows all of them."""

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from support.browsers.chromium import until
from support.browsers.fake_peer import FakePeer
from support.browsers.in_page import COVER
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
#: The bit rate that the page's video may have; null where it may have any.
LIMIT = "peer.video.getParameters().encodings[0].maxBitrate ?? null"


@pytest_asyncio.fixture(loop_scope="module")
async def peer(peer: FakePeer, page: Page, server: PageServer) -> FakePeer:
    await page.goto(f"{server.url}/?source=camera&autostart=1&style=dusk")
    await until(page, "mvstylizer.state === 'waiting'")
    return peer


async def counts(page: Page) -> tuple[int, int]:
    """Frames seen and sent so far."""
    seen, sent = await page.evaluate("[mvstylizer.stats.framesSeen, mvstylizer.stats.framesSent]")
    return seen, sent


async def more(page: Page, frames: int) -> tuple[int, int]:
    """Frames seen and sent while the camera gives at least so many."""
    seen, sent = await counts(page)
    await until(page, f"mvstylizer.stats.framesSeen >= {seen + frames}")
    seen_now, sent_now = await counts(page)
    return seen_now - seen, sent_now - sent


async def test_all_frames_are_sent_until_the_server_says_its_pace_and_few_then(page, peer):
    seen, sent = await more(page, 20)
    assert seen == sent and await page.evaluate(LIMIT) is None

    await peer.say(type="pace", fps=2)
    seen, sent = await more(page, 60)
    assert 1 <= sent <= 0.4 * seen  # a browser without a GPU gives ten frames a second or more
    assert await page.evaluate(LIMIT) == 290_000

    await peer.say(type="pace", fps=1000)
    seen, sent = await more(page, 20)
    assert sent >= seen - 1 and await page.evaluate(LIMIT) is None


async def test_the_next_frame_is_sent_when_the_server_asks_for_one(page, peer):
    await peer.say(type="pace", fps=0.01)
    await until(page, "mvstylizer.stats.framesSeen > mvstylizer.stats.framesSent + 3")
    _, sent = await counts(page)

    await peer.say(type="frame")
    await peer.say(type="frame")
    await more(page, 4)

    assert (await counts(page))[1] - sent in (1, 2)  # two only where a frame came between both messages


async def test_another_connection_begins_with_all_frames_and_no_limit(page, peer):
    await peer.say(type="pace", fps=0.01, look_interval_s=2.2)
    await until(page, "mvstylizer.stats.framesSeen > mvstylizer.stats.framesSent + 3")

    await page.evaluate("peer.channels.control.dispatchEvent(new Event('close'))")
    await until(page, "mvstylizer.state === 'lost'")
    await until(page, "mvstylizer.state === 'waiting'")
    seen, sent = await more(page, 20)

    assert seen == sent and await page.evaluate(LIMIT) is None
    await peer.look("dusk", make_grid())
    await expect(page.locator("#status")).to_be_hidden()


async def test_a_busy_server_is_named_as_long_as_it_is_busy(page, peer):
    line = page.locator("#status")
    await peer.look("dusk", make_grid())
    await peer.say(type="pace", fps=2, look_interval_s=2.2)
    await expect(line).to_have_text("Busy: the look is renewed every 2 s.")
    assert await page.evaluate("mvstylizer.state") == "live"

    await peer.say(type="pace", fps=2, look_interval_s=0.6)
    await expect(line).to_have_text("Busy: the look is renewed every 1 s.")

    await peer.say(type="pace", fps=30)
    await expect(line).to_be_hidden()


async def test_a_frame_that_begins_a_scene_is_sent_and_named_at_once(page, peer):
    """The camera is covered; the server, which wants hardly any frames, could not know."""
    await peer.say(type="pace", fps=0.01)
    await until(page, "mvstylizer.stats.framesSeen > mvstylizer.stats.framesSent + 3")
    seen, sent = await counts(page)

    await page.evaluate(COVER)
    await until(page, "peer.said.some(({ type }) => type === 'cut')")

    assert await peer.heard("cut") == [{"type": "cut", "frame_id": await page.evaluate("covered")}]
    await more(page, 4)
    assert (await counts(page))[1] == sent + 3  # the two after it, too
