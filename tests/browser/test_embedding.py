"""The example of a page that shows the live picture, in Chromium, on another origin than the gateway's."""

from contextlib import asynccontextmanager

import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from pipeline.contract.control import StyleChoice
from pipeline.contract.image_codec import decode_image
from pipeline.styles.catalog import find_shipped
from support.browsers.chromium import chromium, until, write_panned_photo
from support.browsers.page_server import WEB
from support.paths import ROOT
from support.webrtc.peers import Running, heard_by_gateways
from support.webrtc.peers import until as until_here

expect.set_options(timeout=60_000)
EXAMPLE = (ROOT / "docs" / "embed.html").read_text()
#: What a flat edge, which paints everything in one colour, leaves of differences within the picture.
FLAT = 4


@asynccontextmanager
async def site(texts: dict[str, str]):
    """Another site, with these pages by their paths; its pages are added when the gateway's address is known."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=texts[request.path], content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


async def inner(page: Page) -> np.ndarray:
    """The picture on show, without its edges, RGB uint8 [H, W, 3]."""
    return decode_image(await page.locator("canvas").screenshot(type="jpeg"))[8:-8, 8:-8]


async def test_another_sites_page_shows_the_live_picture(patched, redis_url, edge, tmp_path):
    camera, texts = write_panned_photo(tmp_path / "camera.y4m", frames=10), {}
    async with (
        site(texts) as origin,
        Running(redis_url, WEB, allowed_origins=(origin,)) as running,
        chromium(camera) as browser,
    ):
        texts["/"] = EXAMPLE.replace("http://127.0.0.1:8080", running.url)
        page = await browser.new_page()
        troubles = []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        await page.goto(origin)
        await page.click("#start")

        await expect(page.locator("#said")).to_have_text("live")
        while (shown := await inner(page)).std((0, 1)).max() > FLAT:  # the first look fades in
            pass
        assert shown.shape[1] > 300
        assert any(worker.url.startswith("blob:") for worker in page.workers)  # the flow's, started for another site
        assert troubles == []


async def test_another_sites_page_names_looks_moods_and_mixes(patched, redis_url, edge, tmp_path, monkeypatch):
    heard = heard_by_gateways(monkeypatch)
    golden, dusk = (find_shipped(name).id for name in ("golden-hour", "dusk"))
    camera, texts = write_panned_photo(tmp_path / "camera.y4m", frames=10), {}
    async with (
        site(texts) as origin,
        Running(redis_url, WEB, allowed_origins=(origin,)) as running,
        chromium(camera) as browser,
    ):
        example = EXAMPLE.replace("http://127.0.0.1:8080", running.url).replace("'dusk'", "'golden-hour.dusk~40.35'")
        texts["/"] = example.replace("const picture =", "const picture = window.picture =")
        page = await browser.new_page()
        await page.goto(origin)
        await page.click("#start")
        await expect(page.locator("#said")).to_have_text("live")
        assert edge.seen[-1].style_id == f"{golden}.{dusk}~40.35"

        for name, style_id in (
            ("dusk~0", f"{dusk}~0"),
            ("Golden hour", golden),
            (f"{golden}.Dusk.10", f"{golden}.{dusk}.10"),
        ):
            await page.evaluate("(name) => picture.setStyle(name)", name)
            await until_here(lambda style_id=style_id: edge.seen[-1].style_id == style_id)
            await expect(page.locator("#said")).to_have_text("live")
            assert [said.style for said in heard if isinstance(said, StyleChoice)][-1] == style_id


async def test_a_site_that_is_not_allowed_gets_neither_the_module_nor_a_frame(redis_url, tmp_path):
    texts: dict[str, str] = {}
    async with site(texts) as origin, Running(redis_url, WEB) as running, chromium() as browser:
        texts["/"] = EXAMPLE.replace("http://127.0.0.1:8080", running.url)
        page = await browser.new_page()
        refusals = []
        page.on("console", lambda message: refusals.append(message.text))

        await page.goto(origin)
        await until(page, "document.readyState === 'complete'")

        assert any("CORS policy" in text for text in refusals)
        assert await page.locator("canvas").count() == 0
