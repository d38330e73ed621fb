"""What the page remembers for the next visit, and how the first second looks."""

import numpy as np
import pytest
from playwright.async_api import Page, expect

from pipeline.contract.image_codec import encode_jpeg
from support.browsers.chromium import photo, snapshot, until
from support.browsers.fake_peer import FakePeer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
#: Runs before the page's scripts: a browser that refuses to store anything, as some do in private windows.
REFUSED = """for (const name of ['localStorage', 'indexedDB']) {
  Object.defineProperty(window, name, { get() { throw new DOMException('', 'SecurityError'); } });
}"""
RUBBISH = ["{", "7", "[]", '{"look":7,"strengths":"x","camera":[]}', '{"strengths":[["dusk",7],["snow"],null]}']
KEY = "mvstylizer.choices"


async def strength_is(page: Page, value: str) -> None:
    await expect(page.locator("#strength")).to_have_value(value)


async def set_strength(page: Page, value: str) -> None:
    """As a user does, who can reach the slider only while a camera is on."""
    await page.evaluate(
        """(value) => {
          const slider = document.getElementById('strength');
          slider.value = value;
          for (const type of ['input', 'change']) slider.dispatchEvent(new Event(type));
        }""",
        value,
    )


async def choose(page: Page, name: str) -> None:
    await page.get_by_role("radio", name=name).check(force=True)


async def test_each_look_has_its_own_strength_and_both_are_remembered(page, server):
    await page.goto(server.url)
    await strength_is(page, "60")
    await choose(page, "Snow")
    await set_strength(page, "85")
    await choose(page, "Autumn")
    await strength_is(page, "60")
    await set_strength(page, "20")

    await page.goto(server.url)

    await expect(page.get_by_role("radio", name="Autumn")).to_be_checked()
    await strength_is(page, "20")
    await choose(page, "Snow")
    await strength_is(page, "85")
    await choose(page, "Dusk")
    await strength_is(page, "60")


async def test_a_link_to_a_look_is_no_choice(page, server):
    await page.goto(server.url)
    await choose(page, "Snow")
    await page.goto(f"{server.url}/?style=autumn")
    await expect(page.get_by_role("radio", name="Autumn")).to_be_checked()

    await page.goto(server.url)

    await expect(page.get_by_role("radio", name="Snow")).to_be_checked()


@pytest.mark.parametrize("percent, shown", [("100", "100"), ("0", "0"), ("-1", "60"), ("x", "60"), ("101", "60")])
async def test_a_link_says_how_strong_its_look_is_and_only_for_this_visit(page, server, percent, shown):
    await page.goto(f"{server.url}/?style=snow&strength={percent}")
    await expect(page.get_by_role("radio", name="Snow")).to_be_checked()
    await strength_is(page, shown)
    await choose(page, "Autumn")
    await strength_is(page, "60")
    await choose(page, "Snow")
    await strength_is(page, shown)

    await page.goto(server.url)

    await choose(page, "Snow")
    await strength_is(page, "60")


async def test_the_first_visit_begins_with_the_look_that_flatters(page, server):
    server.styles_answer = [*server.styles_answer, {"id": "7", "name": "Golden hour", "thumbnail": "/photo.jpg"}]
    await page.goto(server.url)

    await expect(page.get_by_role("radio", name="Golden hour")).to_be_checked()


async def test_a_browser_that_stores_nothing_shows_the_page_all_the_same(page, server, tmp_path):
    await page.add_init_script(REFUSED)
    await page.goto(server.url)
    await choose(page, "Snow")
    await set_strength(page, "85")
    await choose(page, "Autumn")
    await choose(page, "Snow")
    await strength_is(page, "85")

    (tmp_path / "Mine.jpg").write_bytes(encode_jpeg(photo(64, 64)))
    await page.locator("#photo").set_input_files(tmp_path / "Mine.jpg")

    await expect(page.get_by_role("radio", name="Mine")).to_be_checked()
    await strength_is(page, "60")


@pytest.mark.parametrize("stored", RUBBISH)
async def test_whatever_is_stored_the_page_begins(page, server, stored):
    await page.goto(server.url)
    await page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY, stored])

    await page.goto(server.url)

    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    await strength_is(page, "60")


async def test_no_more_than_32_strengths_are_kept(page, server):
    await page.goto(server.url)
    kept = await page.evaluate(
        """async (key) => {
          const { Memory } = await import('/looks/memory.js');
          const memory = new Memory();
          for (let i = 0; i < 100; i++) memory.keepStrength(String(i % 40), i / 100);
          return JSON.parse(localStorage.getItem(key)).strengths;
        }""",
        KEY,
    )

    assert len(kept) == 32 and kept[-1] == ["19", 0.99] and kept[0] == ["28", 0.68]


async def test_the_camera_of_the_last_visit_is_asked_for(page, server):
    await page.add_init_script(
        """window.asked = [];
        const { mediaDevices } = navigator, open = mediaDevices.getUserMedia.bind(mediaDevices);
        mediaDevices.getUserMedia = (wanted) => { asked.push(wanted.video); return open(wanted); };"""
    )
    await page.goto(server.url)
    await page.evaluate(
        """async () => {
          const { Memory } = await import('/looks/memory.js');
          new Memory().camera = { id: 'the one on the left' };
        }"""
    )

    await page.goto(f"{server.url}/?source=camera&autostart=1")
    await until(page, "mvstylizer.stats.framesSeen > 1")

    (wanted,) = await page.evaluate("asked")
    assert wanted["deviceId"] == {"ideal": "the one on the left"}  # any other one is better than none


async def test_whether_the_camera_is_mirrored_is_remembered(page, server):
    picture, switch = page.locator("#picture"), page.get_by_role("button", name="Mirror my camera")
    for _ in range(2):
        await page.goto(f"{server.url}/?source=camera&autostart=1")
        await until(page, "mvstylizer.stats.framesSeen > 1")
        await page.click("#more")
        if await switch.get_attribute("aria-pressed") == "false":
            break
        await expect(picture).to_have_attribute("data-mirrored", "")
        await switch.click()
        await expect(picture).not_to_have_attribute("data-mirrored", "")
        await page.click("#more")
        await expect(switch).to_have_attribute("aria-pressed", "false")

    await expect(picture).not_to_have_attribute("data-mirrored", "")
    await switch.click()
    await expect(picture).to_have_attribute("data-mirrored", "")


async def test_another_source_is_shown_as_it_is_until_a_look_of_its_own_comes(page, server, portrait):
    peer = FakePeer(page, server)
    await peer.install()
    await page.goto(f"{server.url}/?source=camera&autostart=1&style=dusk")
    await until(page, "mvstylizer.state === 'waiting'")
    source, output = await snapshot(page)
    assert np.abs(output.astype(int) - source).max() <= 1
    await peer.look("dusk", make_grid())
    await until(page, "mvstylizer.state === 'live'")
    of_the_camera = await page.evaluate("mvstylizer.stats.framesSeen - 1")

    await page.locator("#video-file").set_input_files(portrait)
    await until(page, "mvstylizer.output.height > mvstylizer.output.width")
    source, output = await snapshot(page)
    assert np.abs(output.astype(int) - source).max() <= 1
    await peer.look("dusk", make_grid(), of_the_camera)  # it comes late
    source, output = await snapshot(page)
    assert np.abs(output.astype(int) - source).max() <= 1
    assert await page.evaluate("mvstylizer.state") == "waiting"

    await peer.look("dusk", make_grid())
    await until(page, "mvstylizer.state === 'live'")
    source, output = await snapshot(page)
    assert np.abs(output.astype(int) - source).mean() > 5
