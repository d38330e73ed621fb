"""The page in a real browser, with a clip as its camera, against the whole system."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Page, expect

from pipeline.contract.image_codec import decode_image
from pipeline.queues.broker import connect
from pipeline.queues.training_samples import Sharing
from pipeline.styles.catalog import find_shipped, shipped
from support.browsers.chromium import (
    chromium,
    frames_behind,
    snapshot,
    until,
    write_numbered_clip,
    write_panned_photo,
    write_real_clip,
)
from support.paths import CLIPS
from support.webrtc.peers import until as happens

TIMEOUT_S = 60


@pytest.fixture(scope="module")
def camera(tmp_path_factory) -> Path:
    return write_panned_photo(tmp_path_factory.mktemp("camera") / "camera.y4m")


@pytest.fixture
async def page(camera) -> AsyncIterator[Page]:
    async with chromium(camera) as browser:
        yield await browser.new_page(viewport={"width": 390, "height": 844})


async def live(page: Page, key_frames: int = 3) -> None:
    await until(page, f"window.mvstylizer?.state === 'live' && mvstylizer.stats.keyFrames >= {key_frames}", TIMEOUT_S)


def distance(picture: np.ndarray, style: np.ndarray) -> float:
    """The distance between mean colours, in levels of 0..255."""
    return float(np.abs(picture.mean((0, 1)) - style.mean((0, 1))).mean())


@pytest.mark.parametrize("style", [find_shipped("dusk"), find_shipped("misty forest")], ids=lambda style: style.name)
async def test_stylized_frames_reach_the_canvas(up, page, style):
    await page.goto(f"{up.url}/?source=camera&style={style.id}&strength=100&autostart=1")
    await live(page)

    source, output = await snapshot(page)
    stats = await page.evaluate("mvstylizer.stats")

    wanted = decode_image(style.jpeg)
    assert output.shape == source.shape == (360, 640, 3)
    assert distance(output, wanted) < 0.6 * distance(source, wanted)
    assert stats["fps"] > 0 and stats["keyFrameAgeMs"] > 0 and stats["roundTripMs"] > 0


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not beside the project")
async def test_a_real_clip_is_stylized(up, tmp_path):
    style = find_shipped("dusk")
    real = write_real_clip(tmp_path / "real.y4m", sorted(CLIPS.glob("*.mp4"))[0])
    async with chromium(real) as browser:
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await page.goto(f"{up.url}/?source=camera&style={style.id}&strength=100&autostart=1")
        await live(page)
        source, output = await snapshot(page)

    assert distance(output, decode_image(style.jpeg)) < 0.6 * distance(source, decode_image(style.jpeg))


@pytest.mark.parametrize("mode", ["grid", "residual"])  # mode warp shows the key frame's pixels, and so its number, too
async def test_each_frame_is_shown_at_once_while_its_flow_is_computed(up, tmp_path, mode):
    async with chromium(write_numbered_clip(tmp_path / "numbered.y4m")) as browser:
        page = await browser.new_page(viewport={"width": 640, "height": 480})
        await page.goto(f"{up.url}/?source=camera&style={shipped()[0].id}&strength=100&autostart=1&mode={mode}")
        await live(page)
        await until(page, "mvstylizer.stats.flowMs", TIMEOUT_S)

        behind = await frames_behind(page)
        source, output = await snapshot(page)
        stats = await page.evaluate("mvstylizer.stats")

    assert np.median(behind) <= 2  # reading the numbers takes a while itself
    assert 5 < np.abs(output.astype(float) - source).mean() and output.std() > 20
    assert stats["flowSize"][0] <= 256 and stats["keyFramesForgotten"] == 0


async def test_without_flow_the_look_stays_where_it_is(up, page):
    await page.goto(f"{up.url}/?source=camera&style={shipped()[0].id}&strength=100&autostart=1&flow=off")
    await live(page)

    assert "flowMs" not in await page.evaluate("mvstylizer.stats")


async def test_another_style_is_chosen_by_hand(up, page):
    first, second = find_shipped("snow"), find_shipped("dusk")
    await page.goto(f"{up.url}/?source=camera&style={first.id}&strength=100&autostart=1")
    await live(page)

    await page.get_by_role("radio", name=second.name).or_(page.get_by_role("button", name=second.name)).first.click()
    await page.locator("#strength").fill("100")

    style = decode_image(second.jpeg)
    for _ in range(40):  # the camera's picture moves, and some of its places are nearer to the style than others
        await live(page, 3 + await page.evaluate("mvstylizer.stats.keyFrames"))
        source, output = await snapshot(page)
        if distance(output, style) < 0.6 * distance(source, style):
            break
    assert distance(output, style) < 0.6 * distance(source, style)


#: Runs in the page: how far each tile's picture is from the one of the tile before it, in levels of 0..255.
TILES = """() => {
  const pictures = [...document.querySelectorAll('.tile canvas')].map((canvas) => {
    return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  });
  return pictures.slice(1).map((picture, i) => {
    return picture.reduce((sum, level, k) => sum + Math.abs(level - pictures[i][k]), 0) / picture.length;
  });
}"""


async def test_every_tile_shows_ones_own_picture_in_its_look_and_two_of_them_are_mixed(up, page):
    first, second = find_shipped("misty forest"), find_shipped("dusk")
    await page.goto(f"{up.url}/?source=camera&style={first.id}&strength=100&autostart=1")
    await live(page)
    await until(page, f"document.querySelectorAll('.tile canvas').length === {len(shipped())}", TIMEOUT_S)
    assert min(await page.evaluate(TILES)) > 3  # each in another look

    await page.click("#mix")
    await page.get_by_role("radio", name=second.name).locator("..").click()
    await until(page, f"document.querySelector(':checked')?.value === '{first.id}.{second.id}.50'", TIMEOUT_S)
    await until(page, "mvstylizer.state === 'live'", TIMEOUT_S)
    await page.locator("#strength").fill("100")

    looks = [decode_image(style.jpeg).mean((0, 1)) for style in (first, second)]
    for _ in range(40):
        await live(page, 2 + await page.evaluate("mvstylizer.stats.keyFrames"))
        mean = (await snapshot(page))[1].mean((0, 1))
        share = np.dot(mean - looks[0], looks[1] - looks[0]) / np.square(looks[1] - looks[0]).sum()
        if 0.2 < share < 0.8:
            break
    assert 0.2 < share < 0.8  # between both looks
    await expect(page.locator(".tile.mix canvas")).to_have_count(1)


async def test_the_page_reconnects_by_itself_when_the_gateway_comes_back(up, page):
    await page.goto(f"{up.url}/?source=camera&style={shipped()[0].id}&strength=100&autostart=1")
    await live(page)

    up.part("gateway").kill()
    await until(page, "mvstylizer.state === 'lost'", TIMEOUT_S)
    seen = await page.evaluate("mvstylizer.stats.keyFrames")

    await live(page, seen + 2)


async def test_operators_see_the_stream_and_everybody_who_works(up, page):
    await page.goto(f"{up.url}/?source=camera&style={find_shipped('dusk').id}&strength=100&autostart=1")
    await live(page)

    status = await page.context.browser.new_page()
    await status.goto(f"{up.url}/status")
    await until(status, "document.getElementById('stream-rows').textContent.includes('Dusk')", TIMEOUT_S)
    await until(status, "document.querySelectorAll('#legend li').length === 5", TIMEOUT_S)
    await until(status, "document.querySelectorAll('.roles [data-live]').length === 4", TIMEOUT_S)

    assert "on 1 worker" in await status.locator("#models").inner_text()
    assert "ms" in await status.locator("#trip").inner_text()


async def test_pictures_are_shared_from_the_switch_on_and_deleted_when_it_goes_off(up, page):
    await page.goto(f"{up.url}/?source=camera&style={shipped()[0].id}&strength=100&autostart=1")
    await live(page)
    redis_url = up.part("stylize").environ()["MVS_REDIS_URL"]

    with connect(redis_url) as client:
        sharing = Sharing(client, "edge")
        assert sharing.read("0")[0] == []
        await page.locator("#pictures").click()
        await page.locator("#share").check()
        await happens(lambda: len(sharing.read("0")[0]) >= 2, TIMEOUT_S)
        await page.locator("#share").uncheck()
        await until(page, "localStorage.getItem('mvstylizer.share') === 'null'", TIMEOUT_S)

        assert sharing.read("0")[0] == []
