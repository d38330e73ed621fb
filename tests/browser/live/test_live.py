"""What the page says and shows while its server answers, falls behind, forgets or goes away."""

import asyncio
import json
from pathlib import Path

import av
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from pipeline.contract.image_codec import encode_jpeg
from support.browsers.chromium import photo, snapshot, until
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid
from workers.luts.lut import LOST
from workers.luts.lut_files import cube_file

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
#: Runs in the page: a clock that can be put forward by `ahead` milliseconds.
CLOCK = "window.ahead = 0; const now = performance.now.bind(performance); performance.now = () => now() + ahead;"
GRID = make_grid()


@pytest_asyncio.fixture(loop_scope="module")
async def page(page: Page) -> Page:
    await page.add_init_script(CLOCK)
    return page


async def start_camera(page: Page, server: PageServer, style: str = "dusk") -> None:
    """Start the camera, and wait until the server is reached and no look has come."""
    await page.goto(f"{server.url}/?source=camera&autostart=1&style={style}&strength=100")
    await until(page, "mvstylizer.state === 'waiting'")


async def later(page: Page, seconds: int) -> None:
    """Put the clock forward, while pictures go on."""
    for _ in range(seconds):
        sent = await page.evaluate("ahead += 1000, mvstylizer.stats.framesSeen")
        await until(page, f"mvstylizer.stats.framesSeen > {sent}")


# the look as a file


async def test_the_look_on_show_is_saved_as_a_table(page, server, peer):
    await start_camera(page, server)
    await page.click("#pictures")
    await expect(page.locator("#save-lut")).to_be_hidden()  # there is no look yet
    await page.keyboard.press("Escape")
    look = make_grid((8, 1, 1))
    await peer.look("dusk", look)
    await until(page, "mvstylizer.state === 'live'")

    await page.click("#pictures")
    await expect(page.locator("#look-file")).to_contain_text(LOST)
    async with page.expect_download() as download:
        await page.click("#save-lut")

    file = await download.value
    ours, theirs = cube_file(look, "Dusk").decode().splitlines(), Path(await file.path()).read_text().splitlines()
    assert file.suggested_filename.endswith(".cube") and theirs[:2] == ours[:2]
    assert np.abs(np.loadtxt(theirs[2:]) - np.loadtxt(ours[2:])).max() < 1e-4


# the status line


async def test_the_line_says_what_is_awaited_and_how_old_the_look_is(page, server, peer):
    line = page.locator("#status")
    await start_camera(page, server)
    await expect(line).to_have_text("Waiting for the first look…")
    await later(page, 7)
    await expect(line).to_contain_text("It may have no worker at the moment")

    await peer.look("dusk", GRID)
    await expect(line).to_be_hidden()

    await peer.say(type="key_frame", frame_id=0, reason="interval")
    await later(page, 5)
    await expect(line).to_have_text("No new look for some seconds. The picture keeps the last one.")
    assert await page.evaluate("mvstylizer.state") == "old"

    await peer.look("dusk", GRID)
    await expect(line).to_be_hidden()


async def test_a_server_that_asks_for_no_key_frames_is_noticed_too(page, server, peer):
    await start_camera(page, server)
    await peer.look("dusk", GRID)

    await later(page, 6)

    await until(page, "mvstylizer.state === 'old'")


async def test_the_line_forgets_that_the_server_was_full_or_lost(page, server, peer):
    server.answer, server.retry_after_s = None, 1
    line = page.locator("#status")
    await page.goto(f"{server.url}/?source=camera&autostart=1")
    await expect(line).to_have_text("All places are taken. This page does so by itself.")

    server.answer = "v=0"
    await expect(line).to_have_text("Waiting for the first look…")
    await peer.look("dusk", GRID)
    await expect(line).to_be_hidden()

    await page.evaluate("peer.channels.control.dispatchEvent(new Event('close'))")
    await expect(line).to_have_text("The server closed the connection. Trying again…")
    await expect(line).to_have_text("Waiting for the first look…")


async def test_a_remark_outlives_looks_and_states(page, server, peer):
    await start_camera(page, server)

    await peer.say(type="error", error="This is worth reading.")
    for _ in range(3):
        await peer.look("dusk", GRID)
    await page.get_by_role("radio", name="Snow").check(force=True)
    await expect(page.locator("#status")).to_have_text("Changing the look…")

    await expect(page.locator("#remark")).to_have_text("This is worth reading.")


# sharing


async def share(page: Page) -> dict:
    """Set the switch; returns what the page stored."""
    await page.locator("#pictures").click()
    await page.locator("#share").check()
    await page.get_by_role("button", name="Done").click()
    return json.loads(await page.evaluate("localStorage['mvstylizer.share']"))


async def test_a_server_that_forgot_hears_the_decision_again(page, server, peer):
    await start_camera(page, server)
    consent = await share(page)
    assert await peer.heard("share") == [{"type": "share", **consent}]

    await peer.say(type="share_again")

    assert await peer.heard("share") == 2 * [{"type": "share", **consent}]


async def test_another_page_may_have_changed_the_decision_meanwhile(page, server, peer):
    await start_camera(page, server)
    consent = await share(page)

    await page.evaluate("(text) => { localStorage['mvstylizer.share'] = text; }", json.dumps({**consent, "on": False}))
    await peer.say(type="share_again")
    assert (await peer.heard("share"))[-1] == {"type": "share", "on": False, "by": consent["by"]}
    await expect(page.locator("#share")).to_be_checked(checked=False)

    await peer.say(type="share", on=False)
    await expect(page.locator("#remark")).to_have_text("The pictures you shared are deleted.")
    await peer.say(type="share_again")
    assert len(await peer.heard("share")) == 2  # nothing is said about sharing if nothing is shared


async def test_without_storage_the_decision_holds_until_the_page_is_left(page, server, peer):
    await page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full'); }")
    await page.goto(server.url)
    await expect(page.locator("#limits")).to_have_text("This browser forgets your photos and choices when you leave.")
    await start_camera(page, server)
    await page.locator("#pictures").click()
    await page.locator("#share").check()

    await peer.say(type="share_again")

    first, again = await peer.heard("share")
    assert first == again and first["on"] is True
    await expect(page.locator("#share")).to_be_checked()


# styles


async def test_what_others_left_in_the_storage_is_not_taken_for_ours(page, server, peer):
    for text in ("{", '[null, 7, {"id": 1}]', '{"on": true, "by": "nobody"}'):
        for key in ("mvstylizer.styles", "mvstylizer.share"):
            await page.add_init_script(f"localStorage['{key}'] = '{text}'")
        await start_camera(page, server)

        await expect(page.get_by_role("radio")).to_have_count(3)
        assert await peer.heard("share") == []


async def test_the_last_choice_wins_whatever_order_looks_arrive_in(page, server, peer):
    await start_camera(page, server)
    for name in ("Snow", "Autumn"):
        await page.get_by_role("radio", name=name).check(force=True)

    await peer.look("autumn", GRID)
    await until(page, "mvstylizer.state === 'live'")
    _, autumn = await snapshot(page)
    await peer.look("snow", make_grid(seed=1, deviation=0.4))
    await until(page, "mvstylizer.stats.stale === 1")

    assert [message["style"] for message in await peer.heard("style")] == ["snow", "autumn"]
    assert await page.evaluate("mvstylizer.stats.keyFrames") == 1
    assert autumn.std() > 20


async def test_a_server_in_another_style_is_told_again_and_then_believed(page, server, peer):
    await start_camera(page, server)
    await page.get_by_role("radio", name="Snow").check(force=True)

    for _ in range(3):
        await later(page, 4)
        await peer.look("autumn", GRID)

    await expect(page.get_by_role("radio", name="Autumn")).to_be_checked()
    await expect(page.locator("#remark")).to_contain_text("did not take this look")
    assert [message["style"] for message in await peer.heard("style")] == 3 * ["snow"] + ["autumn"]
    assert await page.evaluate("mvstylizer.state") == "live"


async def test_a_photo_that_arrives_late_does_not_replace_a_later_choice(page, server, peer, tmp_path):
    (tmp_path / "Slow.jpg").write_bytes(encode_jpeg(photo(64, 64)))
    held, go_on = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        held.set()
        await go_on.wait()
        await route.continue_()

    await page.route("**/styles?*", hold)
    await start_camera(page, server)
    await page.locator("#photo").set_input_files(tmp_path / "Slow.jpg")
    await held.wait()
    await page.get_by_role("radio", name="Autumn").check(force=True)
    go_on.set()

    await expect(page.get_by_role("radio", name="Slow")).to_have_count(1)
    await expect(page.get_by_role("radio", name="Autumn")).to_be_checked()
    assert [message["style"] for message in await peer.heard("style")] == ["autumn"]


async def test_a_photo_that_the_server_lost_is_said_and_replaced(page, server, peer, tmp_path):
    (tmp_path / "Mine.jpg").write_bytes(encode_jpeg(photo(64, 64)))
    await page.goto(server.url)
    await page.locator("#photo").set_input_files(tmp_path / "Mine.jpg")
    await expect(page.get_by_role("radio", name="Mine")).to_be_checked()
    await page.route("**/photo.jpg", lambda route: route.fulfill(status=404), times=1)

    await page.get_by_role("button", name="Start camera").click()

    await expect(page.locator("#remark")).to_contain_text("no longer has “Mine”")
    await expect(page.get_by_role("radio", name="Mine")).to_have_count(0)
    await until(page, "mvstylizer.state === 'waiting'")
    assert server.offers[-1]["style"] == "dusk"


# recordings


async def last_frame(page: Page) -> tuple[np.ndarray, str, str]:
    """Stop recording; returns the last frame (RGB uint8 [H, W, 3]), the codec, and the file's name."""
    async with page.expect_download() as download:
        await page.locator("#record").click()
    file = await download.value
    with av.open(str(await file.path())) as video:
        for frame in video.decode(video=0):
            pass
        return frame.to_ndarray(format="rgb24"), video.streams.video[0].codec_context.name, file.suggested_filename


async def frames_pass(page: Page, count: int = 20) -> None:
    await until(page, f"mvstylizer.stats.framesSeen > {await page.evaluate('mvstylizer.stats.framesSeen')} + {count}")


async def test_a_recording_shows_the_whole_look_without_the_divider(page, server, peer):
    await start_camera(page, server)
    await peer.look("dusk", make_grid((1, 1, 1), seed=3, deviation=0.3))
    await page.locator("#compare").click()

    await page.locator("#record").click()
    await frames_pass(page)
    recorded, codec, name = await last_frame(page)
    source, stylized = await snapshot(page)

    for half in (np.s_[20:-20, 20:300], np.s_[20:-20, 340:-20]):
        means = [picture[half].mean((0, 1)) for picture in (recorded, stylized, source)]
        assert np.abs(means[0] - means[1]).max() < 10 < np.abs(means[0] - means[2]).max()
    assert (codec, name.rpartition(".")[2]) in {("h264", "mp4"), ("vp9", "webm"), ("vp8", "webm")}


async def test_another_source_is_recorded_whole_and_in_its_own_shape(page, server, peer, portrait):
    await start_camera(page, server)
    await page.locator("#record").click()
    await frames_pass(page)

    await page.locator("#video-file").set_input_files(portrait)
    await until(page, "mvstylizer.output.width === 240")
    await frames_pass(page)
    recorded, *_ = await last_frame(page)

    assert recorded.shape == (360, 640, 3)
    assert (
        recorded[:, :170].mean() < 8 and recorded[:, -170:].mean() < 8
    )  # the picture is in the 270 columns in the middle
    assert recorded[:, 190:450].std() > 25
