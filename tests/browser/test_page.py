"""The page as a user sees it, with a server that has styles but stylizes nothing."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Page, expect

from clients.media.clip import Clip, upright
from pipeline.contract.image_codec import decode_image, encode_jpeg
from pipeline.pictures.decode import style_files
from support.browsers.chromium import (
    PHONE,
    chromium,
    frames_behind,
    photo,
    snapshot,
    until,
    write_numbered_clip,
)
from support.browsers.page_server import PageServer
from support.pictures import profiles

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)  # a busy machine may be slow


async def start_camera(page: Page, server: PageServer) -> None:
    """Start the camera, and wait until it is on show and the first offer was refused."""
    await page.goto(f"{server.url}/?source=camera&autostart=1")
    await until(page, "mvstylizer.state === 'lost' && mvstylizer.stats.framesSeen > 3")


# Looks


async def test_the_first_style_is_chosen_unless_the_address_names_another(page, server):
    await page.goto(server.url)
    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()

    for style in ("autumn", "Autumn"):
        await page.goto(f"{server.url}/?style={style}")
        await expect(page.get_by_role("radio", name="Autumn")).to_be_checked()


async def test_the_gallery_is_walked_with_the_keyboard(page, server):
    await page.goto(server.url)

    await page.get_by_role("radio", name="Dusk").focus()
    await page.keyboard.press("ArrowRight")

    await expect(page.get_by_role("radio", name="Snow")).to_be_checked()


async def test_the_gallery_waits_for_the_server_and_then_shows_itself(page, server):
    server.styles_answer, styles = None, server.styles_answer
    await page.goto(server.url)
    await expect(page.get_by_text("The server does not answer.")).to_be_visible()

    server.styles_answer = styles

    await expect(page.get_by_role("radio")).to_have_count(3)
    await expect(page.get_by_text("The server does not answer.")).to_be_hidden()


async def test_a_large_photo_becomes_a_style_and_travels_small(page, server, tmp_path):
    path = tmp_path / "Evening at the sea.jpg"
    path.write_bytes(encode_jpeg(photo(3000, 2000)))
    await page.goto(server.url)

    await page.locator("#photo").set_input_files(path)

    await expect(page.get_by_role("radio", name="Evening at the sea")).to_be_checked()
    [(name, sent)] = server.photos
    assert name == "Evening at the sea"
    assert decode_image(sent).shape == (683, 1024, 3)


@pytest.mark.parametrize("side", [200, 2000])
@pytest.mark.parametrize("kind", ["AVIF", "GIF", "BMP"])
async def test_photos_that_only_the_browser_reads_travel_as_jpeg_whatever_their_size(
    page, server, tmp_path, kind, side
):
    path = tmp_path / f"Odd.{kind.lower()}"
    Image.new("RGB", (side, side), (200, 60, 60)).save(path)
    await page.goto(server.url)

    await page.locator("#photo").set_input_files(path)

    await expect(page.get_by_role("radio", name="Odd")).to_be_checked()
    [(_, sent)] = server.photos
    assert sent[:3] == b"\xff\xd8\xff" and decode_image(sent).shape == (min(side, 1024),) * 2 + (3,)


@pytest.mark.parametrize("side", [200, 2000])
async def test_colours_and_transparency_of_a_photo_are_as_the_server_sees_them(page, server, tmp_path, side):
    """A small photo is sent as it is, and a large one is drawn by the browser: both give the same look."""
    picture = Image.new("RGBA", (side, side), (200, 60, 60, 255))
    picture.paste((0, 0, 0, 0), (0, 0, side // 2, side))
    picture.save(tmp_path / "cut.png", icc_profile=profiles.rgb_profile(profiles.DISPLAY_P3, 2.2))
    await page.goto(server.url)

    await page.locator("#photo").set_input_files(tmp_path / "cut.png")

    await expect(page.get_by_role("radio", name="cut")).to_be_checked()
    style = decode_image(style_files(server.photos[0][1]).style)
    wanted = profiles.shown(np.array([200, 60, 60]), profiles.DISPLAY_P3, 2.2)
    np.testing.assert_allclose(style[50, 20], (255, 255, 255), atol=4)
    np.testing.assert_allclose(style[50, -20], wanted, atol=6)


async def two_photos(page: Page, server: PageServer, folder: Path) -> None:
    """Add two photos, of which the server forgets the second one."""
    await page.goto(server.url)
    for name in ("Kept", "Lost"):
        (folder / f"{name}.jpg").write_bytes(encode_jpeg(photo(64, 64)))
        await page.locator("#photo").set_input_files(folder / f"{name}.jpg")
        await expect(page.get_by_role("radio", name=name)).to_be_checked()
    await page.evaluate("""localStorage['mvstylizer.styles'] =
      localStorage['mvstylizer.styles'].replace('photo.jpg', 'nowhere')""")


async def test_ones_own_photos_are_there_again_and_what_the_server_forgot_is_sent_once_more(page, server, tmp_path):
    await two_photos(page, server, tmp_path)

    await page.reload()

    await expect(page.get_by_role("radio", name="Kept")).to_be_visible()
    await expect(page.get_by_role("radio", name="Lost")).to_be_checked()  # it was chosen last
    assert [name for name, _ in server.photos] == ["Kept", "Lost", "Lost"]
    assert server.photos[1][1] == server.photos[2][1]


async def test_photos_that_neither_the_server_nor_this_browser_has_are_gone(page, server, tmp_path):
    await two_photos(page, server, tmp_path)
    await page.evaluate("new Promise((resolve) => { indexedDB.deleteDatabase('mvstylizer').onsuccess = resolve; })")

    await page.reload()

    await expect(page.get_by_role("radio", name="Kept")).to_be_visible()
    await expect(page.get_by_role("radio", name="Lost")).to_have_count(0)
    await expect(page.get_by_role("radio", name="Dusk")).to_be_checked()
    assert len(server.photos) == 2


async def test_no_more_than_twelve_photos_are_kept(page, server, tmp_path):
    await page.goto(server.url)

    kept = await page.evaluate(
        """async () => {
          const { keepPhoto, keptPhoto, listedPhotos } = await import('/looks/own_photos.js');
          const photos = Array.from({ length: 14 }, (_, i) => ({ id: String(i), name: 'x', thumbnail: '/photo.jpg' }));
          for (const photo of photos) await keepPhoto(photo, new Blob([photo.id]));
          await keepPhoto({ id: 'large', name: 'x', thumbnail: '/photo.jpg' }, new Blob([new Uint8Array(5 << 20)]));
          const blobs = await Promise.all([...photos.map(({ id }) => id), 'large'].map(keptPhoto));
          return [listedPhotos().map(({ id }) => id), blobs.map((blob) => blob?.size ?? null)];
        }"""
    )

    assert kept[0] == ["large", *(str(number) for number in range(13, 2, -1))]
    assert kept[1] == [None] * 3 + [1] * 7 + [2] * 4 + [None]


async def test_the_servers_word_on_a_bad_photo_is_shown(page, server, tmp_path):
    server.accepts_photos, server.refusal = False, "This is not a picture."
    path = tmp_path / "notes.txt"
    path.write_text("no picture")
    await page.goto(server.url)

    await page.locator("#photo").set_input_files(path)

    await expect(page.locator("#remark")).to_have_text("This is not a picture.")
    await expect(page.get_by_role("radio")).to_have_count(3)
    assert server.photos == [("notes", b"no picture")]


# Source and session


async def test_without_a_start_nothing_happens(page, server):
    await page.goto(f"{server.url}/?source=none")

    await expect(page.get_by_role("button", name="Start camera")).to_be_visible()
    assert await page.evaluate("mvstylizer.state") == "idle"
    assert server.offers == []


async def test_the_offer_says_style_and_size_and_prefers_vp8(page, server):
    await page.goto(f"{server.url}/?style=snow")
    await page.get_by_role("button", name="Start camera").click()
    await until(page, "mvstylizer.state === 'lost'")

    offer = server.offers[0]
    video = next(line for line in offer["sdp"].splitlines() if line.startswith("m=video"))
    assert (offer["type"], offer["style"], offer["width"], offer["height"]) == ("offer", "snow", 640, 360)
    assert f"a=rtpmap:{video.split()[3]} VP8/90000" in offer["sdp"]
    assert "m=application" in offer["sdp"]


async def test_a_refused_offer_leaves_the_camera_on_show_and_is_made_again(page, server):
    await start_camera(page, server)

    source, output = await snapshot(page)
    await until(page, "mvstylizer.stats.reconnects > 1")

    await expect(page.locator("#status")).to_have_text("All places are taken. Trying again…")
    assert len(server.offers) > 1
    assert output.shape == (360, 640, 3) and output.std() > 30
    np.testing.assert_array_equal(output, source)


async def test_a_video_file_is_a_source_too(page, server, portrait):
    await page.goto(server.url)

    await page.locator("#video-file").set_input_files(portrait)
    await until(page, "mvstylizer.stats.framesSeen > 3")

    assert await page.evaluate("[mvstylizer.output.width, mvstylizer.output.height]") == [240, 320]


async def test_a_file_that_is_no_video_is_explained(page, server, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"nothing")
    await page.goto(server.url)

    await page.locator("#video-file").set_input_files(tmp_path / "clip.mp4")

    await expect(page.get_by_role("alert")).to_contain_text("This video does not play here")


# The picture


async def test_the_divider_moves_by_hand_and_by_keyboard(page, server):
    await start_camera(page, server)
    divider = page.get_by_role("slider", name="Before and after")
    await expect(divider).to_be_hidden()

    await page.get_by_role("button", name="Compare before and after").click()
    await expect(divider).to_have_attribute("aria-valuenow", "50")
    box = await divider.bounding_box()
    await page.mouse.move(box["x"] + box["width"] / 2, 300)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] / 2 - 0.2 * 390, 300)
    await page.mouse.up()
    await expect(divider).to_have_attribute("aria-valuenow", "30")
    await divider.press("ArrowRight")

    await expect(divider).to_have_attribute("aria-valuenow", "32")


async def test_a_photo_of_the_picture_is_saved_in_full_size(page, server):
    await start_camera(page, server)

    async with page.expect_download() as download:
        await page.get_by_role("button", name="Take a photo").click()

    saved = Path(await (await download.value).path())
    assert (await download.value).suggested_filename.endswith(".jpg")
    assert decode_image(saved.read_bytes()).shape == (360, 640, 3)


async def test_the_picture_is_recorded_as_a_video(page, server):
    await start_camera(page, server)
    record = page.get_by_role("button", name="Record a video")

    await record.click()
    await expect(record).to_have_attribute("aria-pressed", "true")
    await until(page, f"mvstylizer.stats.framesSeen > {await page.evaluate('mvstylizer.stats.framesSeen')} + 15")
    async with page.expect_download() as download:
        await record.click()

    with Clip(Path(await (await download.value).path())) as clip:
        assert [upright(frame).shape for frame in islice(clip.frames(), 1)] == [(360, 640, 3)]


@pytest.mark.parametrize("viewport", [PHONE, {"width": 844, "height": 390}, {"width": 1280, "height": 800}])
async def test_every_control_is_on_the_screen_and_large_enough_to_touch(page, server, viewport):
    await page.set_viewport_size(viewport)
    await start_camera(page, server)

    controls = await page.evaluate("""[...document.querySelectorAll('button, .strength input, .tile')]
      .filter((element) => element.offsetParent).map((element) => {
        const { left, top, right, bottom } = element.getBoundingClientRect();
        return { name: element.id || element.textContent.trim(), left, top, right, bottom };
      })""")
    looks = await page.locator(".gallery").evaluate("(row) => row.scrollWidth - row.clientWidth")

    assert await page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    for control in controls:
        assert control["right"] - control["left"] >= 44 and control["bottom"] - control["top"] >= 44, control
        assert control["top"] >= 0 and control["bottom"] <= viewport["height"], control
        assert looks or 0 <= control["left"] and control["right"] <= viewport["width"], control


async def test_sharing_is_off_until_the_switch_beside_its_sentence_is_set_and_stays_as_it_was_left(page, server):
    await page.goto(server.url)
    switch = page.get_by_role("checkbox", name="keeps a few pictures a second for at most a day")
    await expect(switch).to_be_hidden()

    for on in (False, True):
        await page.locator("#pictures").click()
        await expect(switch).to_be_checked(checked=on)
        await switch.set_checked(not on)
        await page.get_by_role("button", name="Done").click()
        await page.reload()

    assert await page.evaluate("JSON.parse(localStorage.getItem('mvstylizer.share')).on") is False  # not yet heard


# Trouble


async def trouble(page: Page, url: str) -> str:
    """Start the camera; returns what the page says then."""
    await page.goto(url)
    await page.get_by_role("button", name="Start camera").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await page.evaluate("mvstylizer.state") == "failed"
    return await page.get_by_role("alert").inner_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [("NotAllowedError", "blocked"), ("NotFoundError", "No camera found"), ("NotReadableError", "busy")],
)
async def test_a_camera_that_does_not_come_is_explained(page, server, name, words):
    await page.add_init_script(
        f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('no', '{name}'); }}"
    )

    assert words in await trouble(page, server.url)


async def test_after_trouble_the_camera_can_be_tried_again(page, server):
    await page.add_init_script("""
      const { getUserMedia } = navigator.mediaDevices;
      navigator.mediaDevices.getUserMedia = async function () {
        this.getUserMedia = getUserMedia;
        throw new DOMException('no', 'NotReadableError');
      };""")
    await trouble(page, server.url)

    await page.get_by_role("button", name="Try again").click()

    await until(page, "mvstylizer.stats.framesSeen > 0")
    await expect(page.get_by_role("alert")).to_be_hidden()


async def test_a_browser_without_webrtc_is_told_so(page, server):
    await page.add_init_script("delete window.RTCPeerConnection")

    assert "WebRTC" in await trouble(page, server.url)


async def test_without_webgl2_the_picture_is_still_shown(page, server):
    await page.add_init_script("""
      const { getContext } = HTMLCanvasElement.prototype;
      HTMLCanvasElement.prototype.getContext = function (kind, options) {
        return kind === 'webgl2' ? null : getContext.call(this, kind, options);
      };""")

    await start_camera(page, server)

    source, output = await snapshot(page)
    assert output.shape == (180, 320, 3) and output.std() > 30
    np.testing.assert_array_equal(output, source)


async def test_the_picture_waits_neither_for_the_flow_nor_for_the_server(server, tmp_path):
    async with chromium(write_numbered_clip(tmp_path / "numbered.y4m")) as browser:
        page = await browser.new_page(viewport=PHONE)
        await page.route("**/worker.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
        await start_camera(page, server)

        behind = await frames_behind(page)

    assert np.median(behind) <= 2  # reading the numbers takes a while itself


async def test_where_the_cpu_draws_a_frame_is_taken_from_the_video_once(page, server):
    await page.add_init_script("""
      window.taken = 0;
      const [flat, deep] = [CanvasRenderingContext2D.prototype, WebGL2RenderingContext.prototype];
      for (const [prototype, name] of [[flat, 'drawImage'], [deep, 'texImage2D']]) {
        const take = prototype[name];
        prototype[name] = function (...args) {
          window.taken += args.some((arg) => arg instanceof HTMLVideoElement);
          return take.apply(this, args);
        };
      }""")

    await start_camera(page, server)

    taken, sent = await page.evaluate("[taken, mvstylizer.stats.framesSeen]")
    source, output = await snapshot(page)
    assert taken == sent
    assert output.shape == (360, 640, 3) and source.std() > 30


async def test_no_frame_is_taken_while_the_one_before_is_being_drawn(page, server):
    await page.add_init_script("""
      const { prototype } = WebGL2RenderingContext;
      const { getSyncParameter } = prototype;
      prototype.getSyncParameter = function (...args) {
        return window.drawing ? this.UNSIGNALED : getSyncParameter.apply(this, args);
      };""")
    await start_camera(page, server)

    taken = await page.evaluate("""async () => {
      const video = document.getElementById('video');
      window.drawing = true;
      const { framesSeen } = mvstylizer.stats;
      for (let frame = 0; frame < 5; frame++) await new Promise((next) => video.requestVideoFrameCallback(next));
      const taken = mvstylizer.stats.framesSeen - framesSeen;
      window.drawing = false;
      return taken;
    }""")

    assert taken == 0
    await until(page, f"mvstylizer.stats.framesSeen > {await page.evaluate('mvstylizer.stats.framesSeen')} + 3")


async def test_a_lost_graphics_context_comes_back(page, server):
    await page.add_init_script("""
      const { getContext } = HTMLCanvasElement.prototype;
      HTMLCanvasElement.prototype.getContext = function (kind, options) {
        const context = getContext.call(this, kind, options);
        if (kind === 'webgl2') window.contexts = [...(window.contexts ?? []), context];
        return context;
      };""")
    await start_camera(page, server)

    await page.evaluate("""async () => {
      const restored = new Promise((resolve) => mvstylizer.output.addEventListener('webglcontextrestored', resolve));
      const lost = new Promise((resolve) => mvstylizer.output.addEventListener('webglcontextlost', resolve));
      const extension = contexts[0].getExtension('WEBGL_lose_context');
      extension.loseContext();
      await lost;
      await new Promise(requestAnimationFrame);  // the event must be over first
      extension.restoreContext();
      await restored;
    }""")
    await until(page, f"mvstylizer.stats.framesSeen > {await page.evaluate('mvstylizer.stats.framesSeen')} + 1")

    assert (await snapshot(page))[1].std() > 30
