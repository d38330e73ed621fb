"""Photos and videos that users take: with sound, without the divider, in one size, and not lost by accident."""

from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from pipeline.contract.image_codec import decode_image
from support.browsers.axe import violations
from support.browsers.chromium import PHONE, until
from support.browsers.page_server import PageServer
from support.pictures.clips import make_clip
from support.pictures.probe import Probe, probe

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
#: Runs in the page: what it asks of devices is in `asked`, and its recorders are in `recorders`. Where `microphone` is
#: set, asking for one does not reach the browser.
DEVICES = """
window.asked = [];
window.recorders = [];
const { mediaDevices } = navigator;
window.askBrowser = mediaDevices.getUserMedia.bind(mediaDevices);
mediaDevices.getUserMedia = async (constraints) => {
  asked.push(Object.keys(constraints).sort().join());
  return constraints.audio && window.microphone ? microphone() : askBrowser(constraints);
};
window.MediaRecorder = class extends MediaRecorder {
  constructor(...args) { super(...args); recorders.push(this); }
};
"""
#: Runs in the page: a phone that shares files, unless `failure` is set. What it shared is in `shared`.
SHARES = """
window.shared = [];
navigator.canShare = ({ files }) => files.every(({ type }) => /^(image|video)\\/\\w+$/.test(type));
navigator.share = async ({ files }) => {
  if (!navigator.userActivation.isActive) throw new DOMException('no', 'NotAllowedError');
  if (window.failure) throw new DOMException('no', window.failure);
  shared.push(...files.map(({ name, type, size }) => ({ name, type, size })));
};
"""


@pytest_asyncio.fixture(loop_scope="module")
async def page(page: Page) -> Page:
    await page.add_init_script(DEVICES)
    return page


@pytest_asyncio.fixture(loop_scope="module")
async def touched(browser: Browser) -> AsyncIterator[Page]:
    """A page on a phone that shares files. Its controls fade; what they do is asked of them without a finger."""
    context = await browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = await context.new_page()
    await page.add_init_script(DEVICES + SHARES)
    yield page
    await context.close()


async def start_camera(page: Page, server: PageServer) -> None:
    await page.goto(f"{server.url}/?source=camera&autostart=1")
    await until(page, "mvstylizer.stats.framesSeen > 3")


async def seconds_pass(page: Page, seconds: int) -> None:
    await until(page, f"document.getElementById('recorded').textContent >= '0:0{seconds}'")


async def stop(page: Page) -> Probe:
    async with page.expect_download() as download:
        await page.locator("#record").click()
    return probe(Path(await (await download.value).path()))


async def leaves(page: Page) -> bool:
    """Whether the page lets the user leave without a question."""
    return await page.evaluate("dispatchEvent(new Event('beforeunload', { cancelable: true }))")


# recordings


async def test_a_recording_has_sound_and_h264_and_one_size_however_the_picture_turns(page, server, portrait):
    await start_camera(page, server)
    await page.locator("#record").click()
    await seconds_pass(page, 2)
    await page.locator("#video-file").set_input_files(portrait)
    await until(page, "mvstylizer.output.width === 240")
    await seconds_pass(page, 4)

    found = await stop(page)

    assert (found.video, found.sound, found.sizes) == ("h264", "opus", {(640, 360)})
    assert found.duration_s > 3.5 and found.video_s > 2.5 and found.sound_s > 2.5
    await expect(page.locator("#recorded")).to_be_hidden()


async def test_the_microphone_is_asked_for_when_a_recording_begins_and_not_for_a_file(page, server, portrait):
    await start_camera(page, server)
    assert await page.evaluate("asked") == ["video"]

    await page.locator("#record").click()
    await seconds_pass(page, 1)
    assert await page.evaluate("asked") == ["video", "audio"]
    await stop(page)
    await page.locator("#video-file").set_input_files(portrait)
    await until(page, "mvstylizer.output.width === 240")
    await page.locator("#record").click()
    await seconds_pass(page, 1)

    assert (await stop(page)).sound is None
    assert await page.evaluate("asked") == ["video", "audio"]


async def test_a_recording_of_a_video_file_has_its_sound_which_the_page_does_not_play(page, server, tmp_path):
    clip = make_clip(tmp_path / "tone.mp4", frames=50, size=(320, 240), sound="aac")
    await page.goto(server.url)
    await page.locator("#video-file").set_input_files(clip)
    await until(page, "mvstylizer.stats.framesSeen > 3")

    await page.locator("#record").click()
    await seconds_pass(page, 4)  # the clip is two seconds long, and begins anew
    async with page.expect_download() as download:
        await page.locator("#record").click()
    path = Path(await (await download.value).path())

    assert probe(path).sound_s > 3
    levels = loudest_by_second(path)  # the tone has 0.27; there may be a gap where it begins anew
    assert sum(level > 0.1 for level in levels) >= 3
    assert await page.evaluate("document.getElementById('video').muted && asked.length === 0")
    await page.locator("#record").click()
    await seconds_pass(page, 1)
    assert (await stop(page)).sound  # the second one, too


def loudest_by_second(path: Path) -> list[float]:
    """The largest sample, 0 to 1, of each second of sound."""
    with av.open(str(path)) as container:
        frames = [(frame.time, float(np.abs(frame.to_ndarray()).max())) for frame in container.decode(audio=0)]
    return [
        max((level for time, level in frames if int(time) == second), default=0.0)
        for second in range(int(frames[-1][0]))
    ]


@pytest.mark.parametrize(("name", "words"), [("NotAllowedError", "is blocked"), ("NotFoundError", "no microphone")])
async def test_without_a_microphone_it_is_recorded_without_sound_and_that_is_said(page, server, name, words):
    await page.add_init_script(f"window.microphone = async () => {{ throw new DOMException('no', '{name}'); }}")
    await start_camera(page, server)

    await page.locator("#record").click()
    await expect(page.locator("#remark")).to_contain_text(words)
    await seconds_pass(page, 1)
    found = await stop(page)

    assert (found.video, found.sound) == ("h264", None)


async def test_a_microphone_that_goes_away_does_not_end_the_recording(page, server):
    await start_camera(page, server)
    await page.locator("#record").click()
    await seconds_pass(page, 1)

    await page.evaluate("""() => {
      const [track] = recorders[0].stream.getAudioTracks();
      track.stop();
      track.dispatchEvent(new Event('ended'));
    }""")
    await expect(page.locator("#remark")).to_contain_text("goes on without it")
    await seconds_pass(page, 3)

    found = await stop(page)
    assert found.video_s > 1.5 and found.sound_s < found.duration_s


async def test_a_recording_can_be_given_up_while_the_browser_asks_for_the_microphone(page, server):
    await page.add_init_script("""
      window.microphone = () => new Promise((resolve) => {
        window.allow = async () => {
          window.granted = await askBrowser({ audio: true });
          resolve(granted);
        };
      });""")
    await start_camera(page, server)
    record = page.locator("#record")

    await record.click()
    await expect(page.locator("#remark")).to_contain_text("Allow the microphone")
    await expect(record).to_have_attribute("aria-pressed", "true")
    await record.click()
    await page.evaluate("allow()")

    await until(page, "!granted.active")
    await expect(record).to_have_attribute("aria-pressed", "false")
    assert await page.evaluate("recorders.length") == 0


async def test_a_webm_recording_says_how_long_it_is(page, server):
    await page.add_init_script("MediaRecorder.isTypeSupported = (type) => type.startsWith('video/webm;codecs=vp8');")
    await start_camera(page, server)
    await page.locator("#record").click()
    await seconds_pass(page, 2)

    found = await stop(page)

    assert (found.video, found.sound) == ("vp8", "opus")
    assert found.duration_s > 1.5


async def test_a_recording_ends_before_it_fills_the_memory(page, server):
    await start_camera(page, server)
    await page.locator("#record").click()
    await seconds_pass(page, 1)

    async with page.expect_download():
        await page.evaluate("""() => {
          const data = Object.defineProperty(new Blob(['x']), 'size', { value: 500e6 });
          recorders[0].dispatchEvent(new BlobEvent('dataavailable', { data }));
        }""")

    await expect(page.locator("#remark")).to_contain_text("has reached 500 MB")
    await expect(page.locator("#record")).to_have_attribute("aria-pressed", "false")


async def test_a_hidden_page_neither_records_nor_listens(page, server):
    await start_camera(page, server)
    await page.locator("#record").click()
    await seconds_pass(page, 1)

    def hide(hidden: bool) -> str:
        return f"""Object.defineProperty(document, 'hidden', {{ value: {str(hidden).lower()}, configurable: true }}),
          document.dispatchEvent(new Event('visibilitychange')), recorders[0].state"""

    assert await page.evaluate(hide(True)) == "paused"
    assert await page.evaluate(hide(False)) == "recording"
    await expect(page.locator("#remark")).to_contain_text("left out the time")
    await stop(page)


async def test_leaving_is_asked_about_while_recording_and_not_when_all_is_saved(page, server):
    asked = []
    page.on("dialog", lambda dialog: asked.append(dialog.type) or dialog.dismiss())
    await start_camera(page, server)
    await page.locator("#record").click()
    await seconds_pass(page, 1)

    await page.evaluate("void setTimeout(() => location.reload(), 0)")
    await until(page, "mvstylizer.stats.framesSeen > 3")
    await expect(page.locator("#record")).to_have_attribute("aria-pressed", "true")
    assert asked == ["beforeunload"]

    await stop(page)
    await page.reload()
    assert asked == ["beforeunload"]


# photos, and the viewer


async def test_the_shutter_saves_a_photo_and_shows_it_small_and_large(page, server):
    await start_camera(page, server)
    last, viewer = page.get_by_role("button", name="Open the last photo"), page.locator("#shots")
    await expect(last).to_be_hidden()

    async with page.expect_download() as download:
        await page.locator("#shutter").click()
    saved = decode_image(Path(await (await download.value).path()).read_bytes())
    await last.click()

    assert saved.shape == (360, 640, 3)
    await expect(viewer).to_contain_text("640 × 360")
    await until(page, "document.querySelector('.shown img').naturalWidth === 640")
    async with page.expect_download():
        await viewer.get_by_role("button", name="Save").click()
    await viewer.get_by_role("button", name="Delete").click()  # it is in the downloads
    await expect(viewer).to_be_hidden()
    await expect(last).to_be_hidden()


async def test_several_shots_are_walked_through(page, server):
    await start_camera(page, server)
    for _ in range(2):
        async with page.expect_download():
            await page.locator("#shutter").click()
    await page.locator("#record").click()
    await seconds_pass(page, 1)
    await stop(page)

    await page.get_by_role("button", name="Open the last video").click()
    await expect(page.locator(".count")).to_have_text("3 of 3")
    await until(page, "document.querySelector('.shown video').videoWidth === 640")
    await page.get_by_role("button", name="The one before").click()
    await page.keyboard.press("ArrowLeft")

    await expect(page.locator(".count")).to_have_text("1 of 3")
    await expect(page.locator(".shown img")).to_be_visible()
    assert await violations(page) == []


async def test_a_phone_shares_a_photo_and_warns_until_it_is_shared(touched, server):
    page, viewer = touched, touched.locator("#shots")
    await start_camera(page, server)

    await page.locator("#shutter").dispatch_event("click")
    await expect(page.locator("#last-shot[data-unsaved]")).to_be_visible()
    await page.locator("#last-shot").dispatch_event("click")
    await page.evaluate("window.failure = 'AbortError'")
    await viewer.get_by_role("button", name="Share").tap()
    await expect(page.locator("#last-shot[data-unsaved]")).to_have_count(1)  # the user closed the sheet
    await page.evaluate("window.failure = null")
    await viewer.get_by_role("button", name="Share").tap()
    await expect(page.locator("#last-shot[data-unsaved]")).to_have_count(0)

    [file] = await page.evaluate("shared")
    assert file["name"].endswith(".jpg") and file["type"] == "image/jpeg" and file["size"] > 1000


async def test_on_a_phone_a_recording_opens_at_once_and_is_deleted_only_after_a_question(touched, server):
    page, viewer = touched, touched.locator("#shots")
    await start_camera(page, server)
    await page.locator("#record").dispatch_event("click")
    await seconds_pass(page, 1)
    await page.locator("#record").dispatch_event("click")
    await expect(viewer).to_be_visible()
    assert await leaves(page) is False
    assert await violations(page) == []

    await viewer.get_by_role("button", name="Delete").tap()
    await expect(viewer.get_by_role("button", name="Delete for good?")).to_be_visible()
    assert await violations(page) == []
    await viewer.get_by_role("button", name="Delete for good?").tap()

    await expect(viewer).to_be_hidden()
    assert await leaves(page) is True


async def test_a_device_that_shares_nothing_after_all_says_so_and_saves(touched, server):
    page, viewer = touched, touched.locator("#shots")
    await start_camera(page, server)
    await page.locator("#shutter").dispatch_event("click")
    await expect(page.locator("#last-shot[data-unsaved]")).to_have_count(1)
    await page.locator("#last-shot").dispatch_event("click")
    await page.evaluate("window.failure = 'DataError'")

    await viewer.get_by_role("button", name="Share").tap()

    await expect(page.locator("#remark")).to_contain_text("can be saved instead")
    async with page.expect_download():
        await viewer.get_by_role("button", name="Save").tap()
    await expect(page.locator("#last-shot[data-unsaved]")).to_have_count(0)
