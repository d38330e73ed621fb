"""How the page opens cameras and files: opening can be cancelled, and the present source goes on meanwhile."""

import wave
from pathlib import Path

import av
import pytest
from playwright.async_api import Page, expect

from pipeline.contract.image_codec import encode_jpeg
from support.browsers.axe import violations
from support.browsers.chromium import chromium, phone, photo, until
from support.browsers.page_server import PageServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
#: Runs in the page: cameras by id, each a canvas. `asked` has the constraints, and `plug(ids)` sets which are there.
CAMERAS = """
window.asked = [];
let present = [];
window.streams = {};
window.plug = (ids) => {
  present = ids;
  navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
};
const { mediaDevices } = navigator;
mediaDevices.enumerateDevices = async () => present.map((id) => ({ kind: 'videoinput', deviceId: id, label: id }));
mediaDevices.getUserMedia = async ({ video }) => {
  asked.push(video.deviceId ?? video.facingMode);
  (window.sizes ??= []).push(video.width.ideal);
  const wanted = video.deviceId?.exact ?? video.deviceId?.ideal ?? present[0];
  const id = present.includes(wanted) || video.deviceId?.exact ? wanted : present[0];
  if (window.failure || !present.includes(id)) throw new DOMException('no', window.failure ?? 'OverconstrainedError');
  const context = Object.assign(document.createElement('canvas'), { width: 320, height: 180 }).getContext('2d');
  const stream = context.canvas.captureStream();
  const [track] = stream.getVideoTracks();
  track.getSettings = () => ({ deviceId: id });
  Object.defineProperty(track, 'label', { value: id });
  let count = 0;
  const timer = setInterval(() => {
    context.fillStyle = `hsl(${count++} 60% 50%)`;
    context.fillRect(0, 0, 320, 180);
    if (track.readyState === 'ended') clearInterval(timer);
  }, 33);
  window.streams[id] = stream;
  return stream;
};
"""
#: Runs in the page: the prompt for the camera is answered by a call of `allow`, or never.
PROMPT = """
const { mediaDevices } = navigator;
const { getUserMedia } = mediaDevices;
mediaDevices.getUserMedia = (constraints) => new Promise((resolve) => {
  window.allow = async () => {
    window.granted = await getUserMedia.call(mediaDevices, constraints);
    resolve(granted);
  };
});
"""


@pytest.fixture
def sound(tmp_path) -> Path:
    """A file that has only sound."""
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return tmp_path / "sound.wav"


@pytest.fixture
def broken(tmp_path) -> Path:
    (tmp_path / "broken.mp4").write_bytes(b"nothing that plays")
    return tmp_path / "broken.mp4"


async def open_page(page: Page, server: PageServer, *cameras: str) -> None:
    """Open the page with these cameras, and show the first of them."""
    await page.add_init_script(CAMERAS)
    await page.goto(server.url)
    await page.evaluate("(ids) => plug(ids)", cameras)
    await page.get_by_role("button", name="Start camera").click()
    await shows(page, cameras[0])


async def shows(page: Page, camera: str) -> None:
    """Wait until this camera is on show, and no other one is on."""
    sent = await page.evaluate("mvstylizer.stats.framesSeen")
    await until(page, f"document.getElementById('video').srcObject === streams['{camera}'] && streams['{camera}']")
    await until(page, f"mvstylizer.stats.framesSeen > {sent}")
    await until(page, f"Object.entries(streams).every(([id, stream]) => (id === '{camera}') === stream.active)")


async def choose(page: Page, file: Path) -> None:
    await page.locator("#video-file").set_input_files(file)


# files


async def test_a_file_without_a_picture_is_explained(page, server, sound):
    await page.goto(server.url)

    await choose(page, sound)

    await expect(page.get_by_role("alert")).to_contain_text("There is no picture in this file")
    assert await page.evaluate("mvstylizer.state") == "failed"


async def test_a_bad_file_does_not_end_a_running_camera(page, server, sound, broken):
    await open_page(page, server, "desk")

    for file, why in ((sound, "There is no picture in this file"), (broken, "This video does not play here")):
        await choose(page, file)
        await expect(page.locator("#remark")).to_contain_text(why)
        await shows(page, "desk")

    await expect(page.get_by_role("alert")).to_be_hidden()


async def test_a_good_file_takes_the_cameras_place(page, server, portrait):
    await open_page(page, server, "desk")

    await choose(page, portrait)

    await until(page, "mvstylizer.output.width === 240")
    assert await page.evaluate("streams.desk.active") is False


async def test_a_file_whose_picture_stands_still_is_sent_on(page, server, tmp_path):
    """A recorded screen may not change for a minute, and a server that hears nothing for so long hangs up."""
    with av.open(str(tmp_path / "still.webm"), "w") as container:
        stream = container.add_stream("libvpx", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for pts in (0, 60 * 30):
            frame = av.VideoFrame.from_ndarray(photo(320, 180), "rgb24").reformat(format="yuv420p")
            frame.pts = pts
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    await page.goto(server.url)

    await choose(page, tmp_path / "still.webm")

    await until(page, "mvstylizer.stats.framesSeen > 4")
    assert await page.evaluate("mvstylizer.state") == "lost"


# permission


async def test_an_unanswered_prompt_can_be_cancelled_and_a_late_yes_opens_nothing(page, server):
    await page.add_init_script(PROMPT)
    await page.goto(server.url)

    await page.get_by_role("button", name="Start camera").click()
    await expect(page.locator("#status")).to_have_text("Opening the camera…")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("button", name="Start camera")).to_be_visible()
    await page.evaluate("allow()")

    await until(page, "!granted.active")
    assert await page.evaluate("[mvstylizer.state, mvstylizer.stats.framesSeen]") == ["idle", 0]


async def test_an_unanswered_prompt_is_left_with_the_escape_key(page, server):
    await page.add_init_script(PROMPT)
    await page.goto(server.url)
    await page.get_by_role("button", name="Start camera").click()

    await page.keyboard.press("Escape")

    await until(page, "mvstylizer.state === 'idle'")


async def test_a_file_can_be_opened_while_the_prompt_is_unanswered(page, server, portrait):
    await page.add_init_script(PROMPT)
    await page.goto(server.url)
    await page.get_by_role("button", name="Start camera").click()
    await expect(page.locator("#meanwhile")).to_be_visible()

    await choose(page, portrait)
    await until(page, "mvstylizer.stats.framesSeen > 3")
    await page.evaluate("allow()")

    await until(page, "!granted.active")
    assert await page.evaluate("[mvstylizer.output.width, document.getElementById('video').srcObject]") == [240, None]


async def test_pressed_twice_the_prompt_may_be_answered_once(page, server):
    await page.add_init_script(PROMPT)
    await page.goto(server.url)

    await page.evaluate("document.getElementById('begin-camera').click()")
    await page.evaluate("document.getElementById('begin-camera').click()")
    await page.evaluate("allow()")

    await until(page, "mvstylizer.stats.framesSeen > 3")


async def test_a_camera_that_gives_no_picture_is_let_go_of(page, server):
    await page.add_init_script("""
      window.dark = document.createElement('canvas').captureStream();
      navigator.mediaDevices.getUserMedia = async () => dark;""")
    await page.goto(server.url)
    await page.get_by_role("button", name="Start camera").click()

    await page.get_by_role("button", name="Cancel").click()

    await expect(page.get_by_role("button", name="Start camera")).to_be_visible()
    assert await page.evaluate("dark.active") is False


# cameras


async def test_the_switch_goes_from_one_camera_to_the_other_by_its_id(page, server):
    await open_page(page, server, "desk", "microscope")
    switch = page.get_by_role("button", name="Switch to another camera")

    await switch.click()
    await shows(page, "microscope")
    await switch.click()
    await shows(page, "desk")

    assert await page.evaluate("asked.slice(1)") == [{"exact": "microscope"}, {"exact": "desk"}]


async def test_of_three_cameras_the_user_chooses_one(page, server):
    await open_page(page, server, "one", "two", "three")

    await page.get_by_role("button", name="Switch to another camera").click()
    await expect(page.get_by_role("button", name="one", exact=True)).to_have_attribute("aria-current", "true")
    await page.get_by_role("button", name="three", exact=True).click()

    await shows(page, "three")
    await expect(page.locator("#cameras")).to_be_hidden()


async def test_a_phone_changes_sides(page, server):
    await open_page(page, server, "front camera", "back camera", "back wide camera")

    await page.get_by_role("button", name="Switch to another camera").click()

    await until(page, "asked.length === 2")
    assert await page.evaluate("asked[1]") == {"ideal": "environment"}


async def test_a_camera_that_does_not_open_leaves_the_other_one_on_show(page, server):
    await open_page(page, server, "desk", "microscope")
    await page.evaluate("window.failure = 'NotAllowedError'")

    await page.get_by_role("button", name="Switch to another camera").click()

    await expect(page.locator("#remark")).to_contain_text("The camera is blocked")
    await shows(page, "desk")


async def test_the_switch_is_there_while_there_is_another_camera_and_the_shutter_stays_in_the_middle(
    page, server, portrait
):
    await open_page(page, server, "desk")
    switch, file = page.locator("#flip"), page.locator("#file")

    async def is_in_the_middle() -> bool:
        box = await page.locator("#shutter").bounding_box()
        return abs(box["x"] + box["width"] / 2 - 195) < 2

    await expect(switch).to_be_hidden()
    await page.evaluate("plug(['desk', 'microscope'])")
    await expect(switch).to_be_visible()
    await expect(file).to_be_hidden()  # the list of cameras has the same button
    assert await is_in_the_middle()
    await choose(page, portrait)
    await expect(file).to_be_visible()
    await expect(switch).to_be_hidden()
    assert await is_in_the_middle()

    await page.evaluate("document.getElementById('camera').click()")
    await shows(page, "desk")
    await expect(switch).to_be_visible()
    await page.evaluate("plug(['desk'])")
    await expect(switch).to_be_hidden()


async def test_camera_and_resolution_are_chosen_in_one_list_that_follows_what_is_plugged_in(page, server):
    await open_page(page, server, "desk", "microscope")
    await page.evaluate("""() => {
      const [track] = streams.desk.getVideoTracks();
      track.getCapabilities = () => ({ width: { max: 1920 } });
      track.getSettings = () => ({ deviceId: 'desk', width: window.wide ?? 1920, height: 1080 });
      track.applyConstraints = async ({ width, height }) => { window.wide = width.ideal; window.high = height.ideal; };
    }""")
    cameras = page.locator("#cameras")

    await page.evaluate("document.getElementById('camera').click()")
    await expect(cameras.get_by_role("listitem")).to_have_text(["desk", "microscope"])
    await expect(cameras.get_by_role("radio", name="1080p")).to_be_checked()
    await expect(cameras.get_by_role("radio", name="4K")).to_have_count(0)  # this camera does not have it
    assert await violations(page) == []
    await cameras.get_by_role("radio", name="720p").check()
    await expect(cameras).to_contain_text("The camera gives 1280 × 1080 pixels.")
    assert await page.evaluate("[wide, high]") == [1280, 720]
    await page.evaluate("plug(['desk', 'microscope', 'telescope'])")
    await cameras.get_by_role("button", name="telescope").click()

    await shows(page, "telescope")
    assert (await page.evaluate("sizes.at(-1)")) == 1280  # later cameras are asked for the same


async def test_a_back_camera_is_no_mirror_even_if_only_its_name_tells(page, server):
    await page.add_init_script(CAMERAS)
    await page.goto(server.url)
    mirrored = "document.getElementById('picture').hasAttribute('data-mirrored')"

    for name, is_mirror in (("Front", True), ("Camera 2, facing back", False)):
        await page.evaluate("(name) => plug([name])", name)
        await page.evaluate("(id) => document.getElementById(id).click()", "begin-camera" if is_mirror else "camera")
        if not is_mirror:
            await page.get_by_role("button", name=name).click()
        await shows(page, name)
        assert await page.evaluate(mirrored) is is_mirror


async def test_an_unplugged_camera_is_told_and_used_again_when_it_is_back(page, server):
    await open_page(page, server, "desk", "microscope")
    await page.get_by_role("button", name="Switch to another camera").click()
    await shows(page, "microscope")

    await page.evaluate("""plug(['desk']);
      streams.microscope.getVideoTracks()[0].stop();
      streams.microscope.getVideoTracks()[0].dispatchEvent(new Event('ended'))""")
    await expect(page.get_by_role("alert")).to_contain_text("The camera went away")
    assert await page.evaluate("streams.desk.active") is False  # no camera that was not chosen is turned on

    await page.evaluate("plug(['desk', 'microscope'])")
    await shows(page, "microscope")
    await expect(page.get_by_role("alert")).to_be_hidden()


async def test_instead_of_an_unplugged_camera_another_one_can_be_tried(page, server):
    await open_page(page, server, "desk", "microscope")
    await page.get_by_role("button", name="Switch to another camera").click()
    await shows(page, "microscope")
    await page.evaluate("plug(['desk']); streams.microscope.getVideoTracks()[0].dispatchEvent(new Event('ended'))")

    await page.get_by_role("button", name="Try again").click()

    await shows(page, "desk")


# an address that is not secure


async def test_over_plain_http_it_says_what_is_missing_and_all_the_rest_works(server, portrait, tmp_path):
    """Browsers have some functions on secure pages only; the page must say so instead of failing silently."""
    (tmp_path / "mine.jpg").write_bytes(encode_jpeg(photo(64, 64)))
    async with chromium(flags=["--host-resolver-rules=MAP phone.test 127.0.0.1"]) as browser, phone(browser) as page:
        await page.goto(f"http://phone.test:{server.port}/")
        assert await page.evaluate("[isSecureContext, typeof crypto.randomUUID]") == [False, "undefined"]
        await expect(page.locator("#limits")).to_contain_text("so the browser gives no camera")
        await page.get_by_role("button", name="Start camera").click()
        await expect(page.get_by_role("alert")).to_contain_text("--tls")

        await choose(page, portrait)
        await until(page, "mvstylizer.stats.framesSeen > 3")
        await page.locator("#pictures").click()
        await page.locator("#share").check()
        await page.get_by_role("button", name="Done").click()
        await page.locator("#photo").set_input_files(tmp_path / "mine.jpg")
        await expect(page.get_by_role("radio", name="mine")).to_be_checked()
        await page.locator("#compare").click()
        async with page.expect_download():
            await page.locator("#shutter").click()
        await page.locator("#record").click()
        await until(page, f"mvstylizer.stats.framesSeen > {await page.evaluate('mvstylizer.stats.framesSeen')} + 15")
        async with page.expect_download():
            await page.locator("#record").click()

        consent = await page.evaluate("JSON.parse(localStorage['mvstylizer.share'])")
        assert consent["on"] is True and len(bytes.fromhex(consent["by"])) == 16
