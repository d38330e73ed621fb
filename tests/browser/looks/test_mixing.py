"""Mixing two looks: by button, keys, mouse and finger; the share of each; and what is remembered and linked."""

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from clients.reassembly.grid import apply_grid
from support.browsers.axe import violations
from support.browsers.chromium import until
from support.browsers.fake_peer import FakePeer
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
MIX = "Dusk + Snow"


@pytest_asyncio.fixture(loop_scope="module")
async def peer(peer: FakePeer, server: PageServer) -> FakePeer:
    server.config["mixes"] = True
    return peer


async def start(page: Page, server: PageServer, style: str = "dusk") -> None:
    await page.goto(f"{server.url}/?source=camera&autostart=1&style={style}")
    await until(page, "mvstylizer.state === 'waiting'")


def tile(page: Page, name: str) -> Locator:
    return page.locator(".tile").filter(has=page.get_by_role("radio", name=name, exact=True))


async def is_chosen(page: Page, peer: FakePeer, look: str, name: str = MIX) -> None:
    """The page shows the look with this id and name, and has asked the server for it."""
    await expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked()
    await until(page, f"peer.said.filter(({{ type }}) => type === 'style').at(-1)?.style === '{look}'")


async def test_two_looks_are_mixed_with_the_button(page, server, peer):
    await start(page, server)
    await page.click("#mix")
    await expect(page.locator("#remark")).to_have_text("Choose the look to mix with “Dusk”.")
    assert await violations(page) == []

    await tile(page, "Snow").click()

    await is_chosen(page, peer, "dusk.snow.50")
    await expect(page.locator("#mix")).to_have_attribute("aria-pressed", "false")
    await expect(page.locator("#mix-share")).to_be_visible()
    await expect(page.locator("#mix-share")).to_contain_text("Dusk")
    assert [message["style"] for message in await peer.heard("style")] == ["dusk.snow.50"]
    assert await violations(page) == []


async def test_two_looks_are_mixed_with_the_keyboard_alone(page, server, peer):
    await start(page, server)
    await page.locator("#mix").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()  # arrows choose nothing meanwhile
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Enter")

    await is_chosen(page, peer, "dusk.snow.50")


async def test_the_mix_of_a_link_is_in_view_from_the_start(page, server, peer):
    await start(page, server, "dusk.snow.40")
    await expect(page.locator("#mix")).not_to_have_attribute("hidden", "")

    box = await tile(page, MIX).bounding_box()

    assert 0 <= box["x"] and box["x"] + box["width"] <= 390


@pytest.mark.parametrize("way", ["Escape", "button"])
async def test_a_mix_is_given_up(page, server, peer, way):
    await start(page, server)
    await page.click("#mix")
    await (page.keyboard.press("Escape") if way == "Escape" else page.click("#mix"))
    await expect(page.locator("#remark")).to_be_hidden()

    await tile(page, "Snow").click()

    await is_chosen(page, peer, "snow", "Snow")
    await expect(page.locator(".tile.mix")).to_have_count(0)


async def centre(locator: Locator) -> tuple[float, float]:
    box = await locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def test_a_tile_is_dropped_on_another_with_the_mouse(page, server, peer):
    await start(page, server)
    (x, y), (to_x, to_y) = await centre(tile(page, "Dusk")), await centre(tile(page, "Snow"))

    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 2, y - 30, steps=4)
    await expect(page.locator(".ghost")).to_be_visible()
    await page.mouse.move(to_x, to_y, steps=4)
    await expect(tile(page, "Snow")).to_have_class("tile target")
    await page.mouse.up()

    await is_chosen(page, peer, "dusk.snow.50")
    await expect(page.locator(".ghost")).to_have_count(0)


async def test_a_drag_that_ends_elsewhere_mixes_and_chooses_nothing(page, server, peer):
    await start(page, server)
    (x, y) = await centre(tile(page, "Snow"))
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x, y - 200, steps=5)
    await page.mouse.up()

    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    await tile(page, "Snow").click()
    await is_chosen(page, peer, "snow", "Snow")


@pytest.mark.parametrize("begins", ["pulled", "held"])
async def test_a_tile_is_dropped_on_another_with_a_finger(page, server, peer, begins):
    await start(page, server)
    (x, y), (to_x, to_y) = await centre(tile(page, "Dusk")), await centre(tile(page, "Snow"))
    finger = await page.context.new_cdp_session(page)

    async def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": x, "y": y} for x, y in points]
        await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    await touch("touchStart", (x, y))
    if begins == "pulled":
        for step in range(1, 5):
            await touch("touchMove", (x, y - 10 * step))
    await expect(page.locator(".ghost")).to_be_visible()
    for step in range(1, 6):
        await touch("touchMove", (x + (to_x - x) * step / 5, to_y))
    await expect(tile(page, "Snow")).to_have_class("tile target")
    await touch("touchEnd")

    await is_chosen(page, peer, "dusk.snow.50")


async def set_share(page: Page, percent: int) -> None:
    await page.locator("#mix-share input").fill(str(percent))


async def test_the_slider_says_how_much_of_each_look_there_is(page, server, peer):
    await start(page, server)
    await page.click("#mix")
    await tile(page, "Snow").click()
    await is_chosen(page, peer, "dusk.snow.50")
    await page.locator("#strength").fill("80")

    await set_share(page, 35)

    await is_chosen(page, peer, "dusk.snow.35")
    slider = page.locator("#mix-share input")
    await expect(slider).to_have_attribute("aria-valuetext", "65 % Dusk, 35 % Snow")
    await expect(page.locator("#strength")).to_have_value("80")  # it is still the same two looks
    await expect(page.locator(".tile.mix")).to_have_count(1)


async def test_the_same_looks_are_not_mixed_twice_and_a_mix_not_once_more(page, server, peer):
    await start(page, server)
    await page.click("#mix")
    await tile(page, "Snow").click()
    await set_share(page, 35)
    await is_chosen(page, peer, "dusk.snow.35")

    await page.click("#mix")
    await expect(page.locator("#remark")).to_contain_text("A mix cannot be mixed once more.")
    await tile(page, "Snow").click()
    await page.click("#mix")
    await tile(page, MIX).click()
    await tile(page, "Dusk").click()

    await is_chosen(page, peer, "dusk.snow.35")
    await expect(page.locator(".tile.mix")).to_have_count(1)


async def test_a_mix_is_removed(page, server, peer):
    await start(page, server)
    await page.click("#mix")
    await tile(page, "Snow").click()

    await page.get_by_role("button", name="Remove this mix").click()

    await is_chosen(page, peer, "dusk", "Dusk")
    await expect(page.locator(".tile.mix")).to_have_count(0)
    await expect(page.locator("#mix-share")).to_be_hidden()
    await page.goto(server.url)
    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    await expect(page.locator(".tile.mix")).to_have_count(0)


async def test_a_mix_is_there_at_the_next_visit(page, server, peer):
    await start(page, server)
    await page.click("#mix")
    await tile(page, "Snow").click()
    await set_share(page, 35)
    await is_chosen(page, peer, "dusk.snow.35")

    await page.goto(f"{server.url}/?source=camera&autostart=1")
    await until(page, "mvstylizer.state === 'waiting'")

    await expect(page.get_by_role("radio", name=MIX)).to_be_checked()
    assert server.offers[-1]["style"] == "dusk.snow.35"


async def test_a_link_names_a_mix_by_ids_or_names(page, server, peer):
    await start(page, server, "Dusk.autumn.20")

    await expect(page.get_by_role("radio", name="Dusk + Autumn")).to_be_checked()
    await expect(page.locator("#mix-share input")).to_have_value("20")
    assert server.offers[-1]["style"] == "dusk.autumn.20"

    await page.goto(f"{server.url}/?style=dusk.unknown.20")
    await expect(page.get_by_role("radio", name="Dusk", exact=True)).to_be_checked()


async def test_a_server_that_knows_no_mixes_is_asked_for_the_first_look(page, server, peer):
    del server.config["mixes"]

    await start(page, server, "dusk.snow.50")

    assert server.offers[-1]["style"] == "dusk"
    await expect(page.locator("#mix")).to_be_hidden()


async def test_the_tile_of_a_mix_shows_both_looks_on_ones_own_picture(page, server, peer):
    server.config["preview_interval_s"] = 10
    grids = {look: make_grid((8, 4, 8), seed=seed) for seed, look in enumerate(("dusk", "snow", "autumn"))}
    identity = np.zeros((3, 8, 4, 8, 4), np.float16)
    identity[..., :3] = np.eye(3)[:, None, None, None]
    await start(page, server, "dusk.snow.25")
    await peer.look("dusk.snow.25", make_grid())
    await until(page, "peer.said.some(({ type }) => type === 'previews')")
    assert (await peer.heard("previews"))[0]["styles"] == ["dusk", "snow", "autumn"]

    async def shown() -> np.ndarray:
        await expect(page.locator(".tile.mix canvas")).to_have_count(1)
        pixels = await page.evaluate(
            """() => { const canvas = document.querySelector('.tile.mix canvas');
              return [...canvas.getContext('2d').getImageData(0, 0, 152, 100).data]; }"""
        )
        return np.array(pixels, np.uint8).reshape(100, 152, 4)[..., :3]

    await peer.previews(dict.fromkeys(grids, identity))
    whole = np.zeros((100, 178, 3), np.uint8)
    whole[:, 13:165] = await shown()
    await peer.previews(grids)

    blend = 0.75 * grids["dusk"].astype(np.float32) + 0.25 * grids["snow"].astype(np.float32)
    wanted = apply_grid(whole, blend, strength=0.6)[:, 13:165].astype(int)
    for _ in range(50):
        if np.abs(await shown() - wanted).mean() < 1.5:
            break
        await page.wait_for_timeout(100)
    assert np.abs(await shown() - wanted).mean() < 1.5
