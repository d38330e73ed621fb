"""Still photos as the picture: upright, stylized live, and saved in their own size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Page, expect

from clients.reassembly.grid import apply_grid
from pipeline.contract.image_codec import decode_image
from support.browsers.axe import violations
from support.browsers.chromium import photo, until
from support.browsers.fake_peer import FakePeer
from support.browsers.in_page import psnr, text
from support.browsers.page_server import PageServer
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
#: The EXIF tag of orientation, and its value for a camera that was turned by a quarter.
ORIENTATION, TURNED = 0x0112, 6


def write_photo(path: Path, width: int, height: int, *, turned: bool = False) -> np.ndarray:
    """Write a photo as cameras do; returns it as users see it, RGB uint8 [H, W, 3]."""
    upright = photo(width, height)
    stored, exif = Image.fromarray(upright), Image.Exif()
    if turned:
        stored = stored.transpose(Image.Transpose.ROTATE_90)
        exif[ORIENTATION] = TURNED
    stored.save(path, quality=97, subsampling=0, exif=exif)
    return upright


async def open_photo(page: Page, server: PageServer, path: Path) -> None:
    await page.goto(f"{server.url}/?style=dusk&strength=100")
    await page.locator("#video-file").set_input_files(path)
    await until(page, "mvstylizer.stats.framesSeen > 1")


async def stylize(page: Page, peer: FakePeer, grid: np.ndarray) -> None:
    """Answer a frame, and wait until the look is on show wholly."""
    await until(page, "mvstylizer.state === 'waiting'")  # a look that came before it is connected would be lost
    await peer.look("dusk", grid)
    await until(page, "mvstylizer.state === 'live'")
    await until(page, f"mvstylizer.stats.framesSeen > {await page.evaluate('mvstylizer.stats.framesSeen')} + 10")


async def saved(page: Page) -> np.ndarray:
    async with page.expect_download() as download:
        await page.locator("#shutter").dispatch_event("click")
    return decode_image(Path(await (await download.value).path()).read_bytes())


async def test_a_photo_is_stylized_and_saved_upright_and_in_its_own_size(page, server, peer, tmp_path):
    content, grid = write_photo(tmp_path / "turned.jpg", 1500, 2400, turned=True), make_grid((8, 4, 3))
    await open_photo(page, server, tmp_path / "turned.jpg")
    assert await page.evaluate("[mvstylizer.output.width, mvstylizer.output.height]") == [1200, 1920]

    await stylize(page, peer, grid)

    picture = await saved(page)
    assert picture.shape == content.shape
    assert psnr(picture, apply_grid(content, grid)) > 30 > psnr(picture, content)
    assert await page.evaluate("[mvstylizer.output.width, mvstylizer.output.height]") == [1200, 1920]
    assert server.offers[-1]["width"] < server.offers[-1]["height"] == 640
    assert await page.evaluate("document.getElementById('picture').hasAttribute('data-mirrored')") is False


async def test_a_photo_that_is_too_large_is_saved_smaller_and_that_is_said(page, server, tmp_path):
    write_photo(tmp_path / "large.jpg", 4400, 1100)
    await open_photo(page, server, tmp_path / "large.jpg")

    picture = await saved(page)

    assert picture.shape == (1024, 4096, 3)
    await expect(page.locator("#remark")).to_contain_text("4400 × 1100 pixels. It is saved with 4096 × 1024")


async def test_without_webgl2_a_photo_is_saved_in_its_own_size_all_the_same(page, server, peer, tmp_path):
    await page.add_init_script("""
      const { getContext } = HTMLCanvasElement.prototype;
      HTMLCanvasElement.prototype.getContext = function (kind, options) {
        return kind === 'webgl2' ? null : getContext.call(this, kind, options);
      };""")
    content, grid = write_photo(tmp_path / "small.png", 700, 400), make_grid((8, 4, 3))
    await open_photo(page, server, tmp_path / "small.png")
    await stylize(page, peer, grid)

    picture = await saved(page)

    assert picture.shape == content.shape
    assert psnr(picture, apply_grid(content, grid)) > 30


async def test_a_heic_picture_is_named_and_the_way_out_told(page, server, tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    await page.goto(server.url)

    await page.locator("#video-file").set_input_files(tmp_path / "IMG_1.HEIC")
    await expect(page.get_by_role("alert")).to_contain_text("This is a HEIC picture")
    await expect(page.get_by_role("alert")).to_contain_text("Save it as JPEG")

    await page.locator("#photo").set_input_files(tmp_path / "IMG_1.HEIC")
    await expect(page.locator("#remark")).to_contain_text("is a HEIC picture")
    assert server.photos == []  # nothing travels in vain


async def test_a_photo_that_is_none_is_explained_and_the_camera_goes_on(page, server, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    await page.goto(f"{server.url}/?source=camera&autostart=1")
    await until(page, "mvstylizer.stats.framesSeen > 3")

    await page.locator("#video-file").set_input_files(tmp_path / "broken.jpg")

    await expect(page.locator("#remark")).to_contain_text("This photo does not open here")
    await until(page, f"mvstylizer.stats.framesSeen > {await page.evaluate('mvstylizer.stats.framesSeen')} + 3")


# dropped and pasted

#: Runs in the page: hands a file to it as a drop on an element, or as a paste.
HAND = """async ([how, selector, text, name, type]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const at = document.querySelector(selector);
  const init = { bubbles: true, cancelable: true };
  if (how === 'paste') at.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: data }));
  else for (const kind of ['dragenter', 'dragover', 'drop'].slice(0, how === 'drag' ? 2 : 3)) {
    at.dispatchEvent(new DragEvent(kind, { ...init, dataTransfer: data }));
  }
}"""


async def hand(page: Page, how: str, selector: str, path: Path, kind: str = "image/jpeg") -> None:
    await page.evaluate(HAND, [how, selector, text(path.read_bytes()), path.name, kind])


async def test_a_dropped_photo_becomes_a_look_or_the_picture_as_the_user_chooses(page, server, tmp_path):
    write_photo(tmp_path / "Harbour.jpg", 320, 200)
    await page.goto(server.url)
    await expect(page.get_by_role("radio")).to_have_count(3)
    await expect(page.locator("#drop")).to_be_hidden()

    await hand(page, "drag", "[data-takes=look]", tmp_path / "Harbour.jpg")
    await expect(page.locator("[data-takes=look][data-over]")).to_be_visible()
    await hand(page, "drop", "[data-takes=look]", tmp_path / "Harbour.jpg")
    await expect(page.get_by_role("radio", name="Harbour")).to_be_checked()
    await expect(page.locator("#drop")).to_be_hidden()
    await hand(page, "drop", "[data-takes=source]", tmp_path / "Harbour.jpg")

    await until(page, "mvstylizer.output.width === 320 && mvstylizer.stats.framesSeen > 1")
    assert len(server.photos) == 1


async def test_a_dropped_video_is_shown_wherever_it_falls(page, server, portrait):
    await page.goto(server.url)

    await hand(page, "drop", "[data-takes=look]", portrait, "video/webm")

    await until(page, "mvstylizer.output.width === 240")
    assert server.photos == []


async def test_a_pasted_photo_becomes_a_look(page, server, tmp_path):
    write_photo(tmp_path / "Clip.png", 64, 48)
    await page.goto(server.url)
    await expect(page.get_by_role("radio")).to_have_count(3)

    await hand(page, "paste", "body", tmp_path / "Clip.png", "image/png")

    await expect(page.get_by_role("radio", name="Clip")).to_be_checked()


# deleted


async def test_ones_own_photos_are_listed_and_deleted_here_and_on_the_server(page, server, tmp_path):
    await page.goto(server.url)
    for name in ("First", "Second"):
        write_photo(tmp_path / f"{name}.jpg", 64, 48)
        await page.locator("#photo").set_input_files(tmp_path / f"{name}.jpg")
        await expect(page.get_by_role("radio", name=name)).to_be_checked()

    await page.locator("#pictures").click()
    own = page.locator("#own-photos")
    await expect(own.get_by_role("listitem")).to_have_count(2)
    assert await violations(page) == []
    await own.get_by_role("button", name="Delete “Second”").click()

    await expect(own.get_by_role("listitem")).to_have_text(["First"])
    await expect(page.locator("#remark")).to_have_text("“Second” is deleted.")
    await expect(page.locator("#gallery input[value=photo-2]")).to_have_count(0)
    assert server.deleted == [{"id": "photo-2", "key": "key of photo-2"}]
    await page.reload()
    await expect(page.get_by_role("radio", name="First")).to_be_visible()
    await expect(page.get_by_role("radio", name="Second")).to_have_count(0)
