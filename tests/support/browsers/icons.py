"""Draws the page's icons in the sizes that systems ask for, from its icon.svg:

uv run python tests/support/browsers/icons.py
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.async_api import Browser

from support.browsers.chromium import chromium
from support.paths import WEB

#: File name -> side in pixels, and whether it fills the square: some systems cut icons to a shape of their own.
ICONS = {"192.png": (192, False), "512.png": (512, False), "maskable.png": (512, True), "apple.png": (180, True)}


async def draw(browser: Browser, name: str) -> bytes:
    """The PNG file of one icon."""
    side, fills = ICONS[name]
    svg = (WEB / "icon.svg").read_text()
    if fills:
        assert 'rx="8"' in svg
        svg = svg.replace('rx="8"', 'rx="0"')
    page = await browser.new_page(viewport={"width": side, "height": side})
    await page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")
    png = await page.screenshot(omit_background=True)
    await page.close()
    return png


async def main() -> None:
    async with chromium() as browser:
        for name in ICONS:
            (WEB / "icons" / name).write_bytes(await draw(browser, name))


if __name__ == "__main__":
    asyncio.run(main())
