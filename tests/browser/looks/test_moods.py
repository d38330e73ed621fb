"""The slider of a look's mood: what the server is asked for, and what is remembered and linked."""

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from support.browsers.axe import violations
from support.browsers.chromium import until
from support.browsers.fake_peer import FakePeer
from support.browsers.page_server import STYLES, PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
USUAL = {"dusk": 60, "snow": 60, "autumn": 35}
SLIDER = "#mood input"


@pytest_asyncio.fixture(loop_scope="module")
async def peer(peer: FakePeer, server: PageServer) -> FakePeer:
    server.config["mixes"] = True
    server.styles_answer = [style | {"mood": USUAL[style["id"]]} for style in STYLES]
    return peer


async def start(page: Page, server: PageServer, look: str = "dusk") -> None:
    await page.goto(f"{server.url}/?source=camera&autostart=1&look={look}")
    await until(page, "mvstylizer.state === 'waiting'")


async def asked(page: Page, look: str) -> None:
    await until(page, f"peer.said.filter(({{ type }}) => type === 'style').at(-1)?.style === '{look}'")


async def choose(page: Page, name: str) -> None:
    await page.get_by_role("radio", name=name, exact=True).check(force=True)


async def test_the_slider_asks_for_the_look_in_this_mood_and_the_tile_stays_chosen(page, server, peer):
    await start(page, server)
    assert server.offers[-1]["style"] == "dusk"  # in its usual mood
    await page.click("#more")
    slider = page.locator(SLIDER)
    await expect(slider).to_have_value("60")
    await expect(slider).to_have_attribute("aria-valuetext", "60 % of the mood")
    assert await violations(page) == []

    await slider.fill("40")

    await asked(page, "dusk~40")
    await expect(slider).to_be_visible()
    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    await slider.fill("0")
    await asked(page, "dusk~0")
    await expect(slider).to_have_attribute("aria-valuetext", "light only")
    await peer.look("dusk~0", make_grid())
    await until(page, "mvstylizer.state === 'live'")
    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()


async def test_while_the_slider_moves_the_server_is_asked_now_and_then(page, server, peer):
    await start(page, server)
    await page.evaluate(
        """(selector) => {
          const slider = document.querySelector(selector);
          for (let percent = 0; percent <= 100; percent += 5) {
            slider.value = percent;
            slider.dispatchEvent(new Event('input'));
          }
        }""",
        SLIDER,
    )

    await asked(page, "dusk~100")

    assert [message["style"] for message in await peer.heard("style")] == ["dusk~100"]


async def test_each_look_has_its_own_mood_and_it_is_remembered(page, server, peer):
    await start(page, server)
    await page.click("#more")
    await page.locator(SLIDER).fill("85")
    await asked(page, "dusk~85")
    await page.keyboard.press("Escape")

    await choose(page, "Autumn")
    await asked(page, "autumn")
    await expect(page.locator(SLIDER)).to_have_value("35")
    await choose(page, "Dusk")
    await asked(page, "dusk~85")
    await page.goto(f"{server.url}/?source=camera&autostart=1")
    await until(page, "mvstylizer.state === 'waiting'")

    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    await expect(page.locator(SLIDER)).to_have_value("85")
    assert server.offers[-1]["style"] == "dusk~85"


async def test_a_mix_is_made_of_looks_in_their_moods(page, server, peer):
    await start(page, server)
    await page.click("#more")
    await page.locator(SLIDER).fill("100")
    await asked(page, "dusk~100")
    await page.keyboard.press("Escape")

    await page.click("#mix")
    await page.locator(".tile").filter(has=page.get_by_role("radio", name="Snow", exact=True)).click()

    await asked(page, "dusk~100.snow.50")
    await expect(page.get_by_role("radio", name="Dusk + Snow")).to_be_checked()
    await page.click("#more")
    await expect(page.locator("#mood")).to_be_hidden()


@pytest.mark.parametrize("look", ["dusk~20", "dusk~0.snow~100.35"])
async def test_a_link_carries_the_mood(page, server, peer, look):
    await start(page, server, look)

    assert server.offers[-1]["style"] == look
    await page.click("#more")
    await page.click("#open-link")
    link = await page.locator("#link input.link").input_value()
    assert f"look={look.replace('~', '%7E')}" in link


async def test_looks_on_ones_own_picture_are_asked_for_in_their_moods(page, server, peer):
    server.config["preview_interval_s"] = 10
    await start(page, server, "dusk~20")
    await peer.look("dusk~20", make_grid())
    await until(page, "peer.said.some(({ type }) => type === 'previews')")

    assert (await peer.heard("previews"))[0]["styles"] == ["dusk~20", "snow", "autumn"]
    await peer.previews({look: make_grid((8, 4, 8)) for look in ("dusk~20", "snow", "autumn")})
    await expect(page.locator(".tile canvas")).to_have_count(3)


async def test_a_server_that_knows_no_moods_is_asked_for_none(page, server, peer):
    server.styles_answer = STYLES
    await start(page, server, "dusk~20")

    assert server.offers[-1]["style"] == "dusk"
    await page.click("#more")
    await expect(page.locator("#mood")).to_be_hidden()


async def test_while_the_slider_is_held_the_rest_of_the_menu_leaves_the_picture_free(page, server, peer):
    await start(page, server)
    await page.click("#more")
    box = await page.locator(SLIDER).bounding_box()
    await page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + box["height"] / 2)
    await page.mouse.down()
    await expect(page.locator("#open-link")).to_be_hidden()
    await page.mouse.move(box["x"], box["y"] + box["height"] / 2)
    await asked(page, "dusk~0")

    await page.mouse.up()

    await expect(page.locator("#open-link")).to_be_visible()
