"""The page can be installed as an app: its manifest, and its icons."""

import json

import numpy as np
import pytest
from playwright.async_api import Page

from pipeline.contract.image_codec import decode_image
from support.browsers.chromium import phone
from support.browsers.icons import ICONS, draw
from support.paths import WEB

MANIFEST = json.loads((WEB / "manifest.webmanifest").read_text())


async def cdp(page: Page, method: str) -> dict:
    session = await page.context.new_cdp_session(page)
    return await session.send(method)


#: The mean distance, in levels, of pictures that two versions of a browser draw of one icon: their edges differ.
MOST_APART = 0.3


@pytest.mark.asyncio(loop_scope="module")
async def test_chromium_would_install_it(browser, server):
    async with phone(browser) as page:
        await page.goto(server.url)

        manifest = await cdp(page, "Page.getAppManifest")
        refusals = (await cdp(page, "Page.getInstallabilityErrors"))["installabilityErrors"]

    assert manifest["url"] == f"{server.url}/manifest.webmanifest" and manifest["errors"] == []
    assert {refusal["errorId"] for refusal in refusals} <= {"in-incognito"}  # as every page of these tests is


@pytest.mark.asyncio(loop_scope="module")
async def test_the_icons_are_icon_svg_in_other_sizes(browser):
    for name, (side, fills) in ICONS.items():
        shipped, drawn = (
            decode_image(data) for data in ((WEB / "icons" / name).read_bytes(), await draw(browser, name))
        )

        assert shipped.shape == (side, side, 3)
        assert np.abs(shipped.astype(int) - drawn).mean() < MOST_APART, name
        assert bool((shipped[0, 0] == shipped[side // 20, side // 2]).all()) == fills


def test_the_manifest_names_icons_that_there_are_with_their_sizes():
    pictures = [icon for icon in MANIFEST["icons"] if icon["type"] == "image/png"]

    assert {icon["src"].removeprefix("icons/") for icon in pictures} == ICONS.keys() - {"apple.png"}
    assert all(icon["sizes"] == "{0}x{0}".format(ICONS[icon["src"].removeprefix("icons/")][0]) for icon in pictures)
    assert (WEB / "icon.svg").is_file()


def test_the_system_s_bars_have_the_page_s_colour():
    assert f'name="theme-color" content="{MANIFEST["theme_color"]}"' in (WEB / "index.html").read_text()
    assert f"--ink: {MANIFEST['background_color']};" in (WEB / "style.css").read_text()
