"""Links: to a look at a strength, to a photo that somebody uploaded, and to the picture alone."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Page, expect

from pipeline.contract.image_codec import encode_jpeg
from support.browsers.chromium import photo, until
from support.browsers.fake_peer import FakePeer
from support.browsers.firefox import firefox
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
PHOTO_ID = "0123456789abcdef"
STRENGTH = "document.getElementById('strength').value"


async def has_photo(page: Page, status: int = 200) -> None:
    """The server has a photo that somebody else uploaded, or no longer."""
    body = encode_jpeg(photo(96, 96))
    await page.route(f"**/styles/{PHOTO_ID}.jpg", lambda route: route.fulfill(status=status, body=body))


async def link(page: Page, clean: bool = False) -> str:
    """The link that the page gives."""
    await page.click("#more")
    await page.click("#open-link")
    await page.get_by_role("checkbox", name="The picture alone").set_checked(clean)
    return await page.get_by_role("textbox", name="Link").input_value()


# Looks


async def test_a_link_brings_its_look_and_strength(page, server):
    await page.goto(f"{server.url}/?look=autumn&strength=35")

    await expect(page.get_by_role("radio", name="Autumn")).to_be_checked()
    strength = page.locator("#strength")
    await expect(strength).to_have_value("35")
    await expect(strength).to_have_attribute("aria-valuetext", "35 %")


async def test_nonsense_in_a_link_changes_nothing(page, server):
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(server.url)))
    await page.goto(f"{server.url}/?look=..%2F..%2F<img%20src=x%20onerror=alert(1)>&strength=1e9&clean=yes")

    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    assert await page.evaluate(STRENGTH) == "60"
    await expect(page.locator("#remark")).to_be_hidden()
    assert not [path for path in asked if "styles/" in path]


async def test_the_copied_link_brings_others_the_look_on_show(page, server):
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(server.url)
    await page.get_by_role("radio", name="Snow").check(force=True)
    await page.locator("#strength").evaluate(
        "(slider) => { slider.value = '45'; slider.dispatchEvent(new Event('input')); }"
    )
    shown = await link(page)
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()

    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == shown == f"{server.url}/?look=snow&strength=45"
    await page.goto(copied)
    await expect(page.get_by_role("radio", name="Snow")).to_be_checked()
    assert await page.evaluate(STRENGTH) == "45"


async def test_without_a_clipboard_the_selected_link_is_copied_all_the_same(page, server):
    await page.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined })")
    await page.goto(server.url)
    await link(page)

    await page.get_by_role("button", name="Copy").click()

    await expect(page.get_by_role("button", name="Copied")).to_be_visible()


# Photos


async def test_a_link_brings_a_photo_that_somebody_uploaded(page, server):
    await has_photo(page)
    await page.goto(f"{server.url}/?look={PHOTO_ID}&strength=80")

    await expect(page.get_by_role("radio", name="From a link")).to_be_checked()
    assert await link(page) == f"{server.url}/?look={PHOTO_ID}&strength=80"
    await expect(page.get_by_text("as long as the server keeps it")).to_be_visible()


async def test_a_link_to_a_photo_that_is_gone_says_so_and_another_look_is_chosen(page, server):
    await has_photo(page, status=404)
    await page.goto(f"{server.url}/?look={PHOTO_ID}")

    await expect(page.locator("#remark")).to_have_text("The look of this link is not on the server, or no longer.")
    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    await expect(page.get_by_role("radio")).to_have_count(3)


async def test_shipped_looks_are_everybodys_and_linked_by_their_ids_too(page, server):
    server.styles_answer = [{"id": PHOTO_ID, "name": "Golden hour", "thumbnail": "/photo.jpg"}]
    await has_photo(page)
    await page.goto(f"{server.url}/?look={PHOTO_ID}")
    await expect(page.get_by_role("radio")).to_have_count(1)
    assert "look=golden-hour&" in await link(page)

    await expect(page.get_by_text("as long as the server keeps it")).to_be_hidden()


# The picture alone


async def clean(page: Page, server: PageServer, more: str = "") -> None:
    peer = FakePeer(page, server)
    await peer.install()
    await page.goto(f"{server.url}/?look=dusk&clean=1{more}")
    await until(page, "mvstylizer.state === 'waiting'")
    await peer.look("dusk", make_grid((1, 1, 1)))
    await until(page, "mvstylizer.state === 'live'")


@pytest.mark.parametrize("size", [(1280, 720), (390, 844), (640, 640)])
async def test_clean_output_is_the_whole_picture_on_black_and_nothing_else(page, server, size):
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    await clean(page, server)
    await page.keyboard.press("c")  # not even the divider
    await page.evaluate("mvstylizer.snapshot()")

    box = await page.locator("#output").bounding_box()
    scale = min(size[0] / 640, size[1] / 360)
    assert np.allclose([box["width"], box["height"]], [640 * scale, 360 * scale], atol=1)
    assert np.allclose([2 * box["x"] + box["width"], 2 * box["y"] + box["height"]], size, atol=1)
    seen = await page.evaluate("""[...document.querySelectorAll('body *')]
      .filter((it) => it.checkVisibility() && it.getBoundingClientRect().width > 1).map(({ id }) => id)""")
    assert seen == ["stage", "picture", "output"]
    shot = np.asarray(Image.open(BytesIO(await page.screenshot())).convert("RGB"))
    around = np.ones(shot.shape[:2], bool)
    around[int(box["y"]) : int(box["y"] + box["height"]) + 1, int(box["x"]) : int(box["x"] + box["width"]) + 1] = False
    assert not shot[around].any()


async def test_around_clean_output_it_may_be_transparent(page, server):
    await page.set_viewport_size({"width": 640, "height": 640})
    await clean(page, server, "&background=transparent")

    shot = np.asarray(Image.open(BytesIO(await page.screenshot(omit_background=True))))

    assert not shot[:100, :, 3].any() and not shot[-100:, :, 3].any()
    assert (shot[160:480, :, 3] == 255).all()


async def test_clean_output_is_not_mirrored(page, server):
    await clean(page, server)

    assert await page.locator("#picture").get_attribute("data-mirrored") is not None
    assert await page.locator("#output").evaluate("(output) => getComputedStyle(output).transform") == "none"


async def test_clean_output_says_why_there_is_no_camera(page, server):
    await page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    )
    await page.goto(f"{server.url}/?clean=1")

    await expect(page.get_by_role("alert")).to_contain_text("The camera is blocked")


async def test_the_link_for_obs_is_clean(page, server):
    await page.goto(server.url)
    assert await link(page, clean=True) == f"{server.url}/?look=dusk&strength=60&clean=1"


async def test_firefox_shows_the_picture_alone_too(server, tmp_path):
    async with firefox(tmp_path) as browser:
        tab = await browser.open(f"{server.url}/?clean=1&look=snow", width=640, height=640)
        await until(tab, "mvstylizer.stats.framesSeen > 3 && mvstylizer.state === 'lost'")

        seen = await tab.evaluate("""[...document.querySelectorAll('body *')]
          .filter((it) => it.checkVisibility() && it.getBoundingClientRect().width > 1).map(({ id }) => id)""")
        width = await tab.evaluate("document.getElementById('output').getBoundingClientRect().width")

        assert seen == ["stage", "picture", "output"] and width == 640
        assert server.offers[0]["style"] == "snow"
