"""The gallery's looks on one's own picture: when the page asks for them, and what its tiles show."""

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from clients.reassembly.grid import apply_grid
from support.browsers.axe import violations
from support.browsers.chromium import until
from support.browsers.fake_peer import FakePeer
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
#: Runs in the page: a clock that can be put forward by `ahead` milliseconds.
CLOCK = "window.ahead = 0; const now = performance.now.bind(performance); performance.now = () => now() + ahead;"
LOOKS = ["dusk", "snow", "autumn"]
GRIDS = {look: make_grid((8, 4, 8), seed=seed) for seed, look in enumerate(LOOKS)}
#: Runs in the page: the pixels of a look's tile, and of the middle of the frame on show, as lists of bytes.
TILE = """(look) => {
  const canvas = document.querySelector(`input[value="${look}"]`).parentElement.querySelector('canvas');
  return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
}"""


@pytest_asyncio.fixture(loop_scope="module")
async def page(page: Page) -> Page:
    await page.add_init_script(CLOCK)
    return page


@pytest_asyncio.fixture(loop_scope="module")
async def peer(peer: FakePeer, server: PageServer) -> FakePeer:
    server.config["preview_interval_s"] = 10
    return peer


async def start(page: Page, server: PageServer, peer: FakePeer) -> None:
    """Start the camera, and wait until the first look has come."""
    await page.goto(f"{server.url}/?source=camera&autostart=1&style=dusk")
    await until(page, "mvstylizer.state === 'waiting'")
    await peer.look("dusk", make_grid())
    await until(page, "mvstylizer.state === 'live'")


async def frames(page: Page, count: int = 5) -> None:
    seen = await page.evaluate("mvstylizer.stats.framesSeen")
    await until(page, f"mvstylizer.stats.framesSeen >= {seen + count}")


async def asked(page: Page, times: int) -> None:
    await until(page, f"peer.said.filter(({{ type }}) => type === 'previews').length === {times}")


async def tile(page: Page, look: str) -> np.ndarray:
    pixels = np.array(await page.evaluate(TILE, look), np.uint8).reshape(100, 152, 4)
    return pixels[..., :3]


async def test_every_tile_shows_ones_own_picture_in_its_look_at_its_strength(page, server, peer):
    await start(page, server, peer)
    await asked(page, 1)
    assert await peer.heard("previews") == [{"type": "previews", "styles": LOOKS}]

    identity = np.zeros((3, 8, 4, 8, 4), np.float16)
    identity[..., :3] = np.eye(3)[:, None, None, None]
    await peer.previews(dict.fromkeys(LOOKS, identity))
    await expect(page.locator(".tile canvas")).to_have_count(3)
    plain = await tile(page, "snow")
    await peer.previews(GRIDS)

    # The tile is the middle of a picture of 16:9, and the grid is the whole picture's.
    whole = np.zeros((100, 178, 3), np.uint8)
    whole[:, 13:165] = plain
    for look in LOOKS:
        wanted = apply_grid(whole, GRIDS[look], strength=0.6)[:, 13:165].astype(int)
        for _ in range(50):
            shown = (await tile(page, look)).astype(int)
            if np.abs(shown - wanted).mean() < 1.5:
                break
            await frames(page, 1)
        assert np.abs(shown - wanted).mean() < 1.5, look
    assert np.abs(plain.astype(int) - wanted).mean() > 5
    assert await violations(page) == []


async def test_nothing_is_asked_while_the_server_is_busy_or_knows_no_previews(page, server, peer):
    del server.config["preview_interval_s"]
    await start(page, server, peer)
    await frames(page, 20)
    assert await peer.heard("previews") == []

    server.config["preview_interval_s"] = 10
    await page.goto(f"{server.url}/?source=camera&autostart=1&style=dusk")
    await until(page, "mvstylizer.state === 'waiting'")
    await peer.say(type="pace", fps=10, look_interval_s=2)
    await peer.look("dusk", make_grid())
    await frames(page, 20)
    assert await peer.heard("previews") == []

    await peer.say(type="pace", fps=30)
    await peer.look("dusk", make_grid())
    await asked(page, 1)


async def test_they_are_asked_for_anew_when_the_scene_changes_and_not_sooner_than_allowed(page, server, peer, portrait):
    await start(page, server, peer)
    await asked(page, 1)
    await peer.previews(GRIDS)
    await expect(page.locator(".tile canvas")).to_have_count(3)

    await page.evaluate("ahead += 20000")
    await peer.look("dusk", make_grid())
    await frames(page, 20)
    assert len(await peer.heard("previews")) == 1  # the picture only pans a little

    await page.locator("#video-file").set_input_files(portrait)
    await expect(page.locator(".tile canvas")).to_have_count(0)  # they would show somebody else
    await until(page, "mvstylizer.state === 'waiting'")
    await peer.look("dusk", make_grid())
    await asked(page, 2)


async def test_an_answer_to_an_earlier_request_is_left_out(page, server, peer, portrait):
    await start(page, server, peer)
    await asked(page, 1)
    earlier = await page.evaluate("mvstylizer.stats.framesSeen - 1")
    await page.locator("#video-file").set_input_files(portrait)
    await until(page, "mvstylizer.state === 'waiting'")
    await page.evaluate("ahead += 20000")
    await peer.look("dusk", make_grid())
    await asked(page, 2)

    await peer.previews(GRIDS, earlier)
    await frames(page)
    await expect(page.locator(".tile canvas")).to_have_count(0)

    await peer.previews(GRIDS)
    await expect(page.locator(".tile canvas")).to_have_count(3)


async def test_a_tile_follows_the_strength_of_its_look(page, server, peer):
    await start(page, server, peer)
    await asked(page, 1)
    await peer.previews(GRIDS)
    await expect(page.locator(".tile canvas")).to_have_count(3)
    before, other = await tile(page, "dusk"), await tile(page, "snow")

    await page.locator("#strength").fill("0")

    for _ in range(50):
        if not np.array_equal(after := await tile(page, "dusk"), before):
            break
        await frames(page, 1)
    assert np.abs(after.astype(int) - before).mean() > 3
    assert np.array_equal(await tile(page, "snow"), other)
