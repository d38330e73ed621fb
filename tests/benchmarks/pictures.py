"""Make the README's pictures: every style on a public-domain photo, and the page in Chromium, wide and on a phone.

uv run python tests/benchmarks/pictures.py docs

With --stylizer it is the page alone, wide, with another model in the place of the shipped one:

uv run python tests/benchmarks/pictures.py docs --stylizer onnx:model.onnx --page page-onnx.jpg
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from playwright.async_api import Browser

sys.path.insert(0, str(Path(__file__).parent.parent))
from clients.reassembly.grid import apply_grid  # noqa: E402
from edge.grid_model.stylizer import GridStylizer  # noqa: E402
from pipeline.contract.image_codec import decode_image, encode_jpeg  # noqa: E402
from pipeline.styles.catalog import shipped  # noqa: E402
from support.browsers.chromium import chromium, until, write_panned_photo  # noqa: E402
from support.system.up import Up  # noqa: E402

TILE = 360, 240
GAP = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stylizer", metavar="NAME")
    parser.add_argument("--page", default="page.jpg", metavar="FILE", help="name of the wide page's picture")
    args = parser.parse_args()
    args.folder.mkdir(exist_ok=True)
    if not args.stylizer:
        (args.folder / "styles.jpg").write_bytes(encode_jpeg(style_sheet(), quality=85))
    asyncio.run(photograph_the_pages(args.folder, args.page, args.stylizer))


def style_sheet() -> np.ndarray:
    """A row a photo, a column a style; the styles above, the photos on the left."""
    stylizer = GridStylizer.load()
    wholes = skimage.data.astronaut()[:341], skimage.data.coffee(), skimage.data.rocket()
    photos = [covering(whole, TILE) for whole in wholes]
    pictures = [decode_image(style.jpeg) for style in shipped()]
    statistics = [stylizer.style(picture, style.mood) for style, picture in zip(shipped(), pictures, strict=True)]
    rows = [[np.full((TILE[1], TILE[0], 3), 255, np.uint8), *(covering(picture, TILE) for picture in pictures)]]
    for photo in photos:
        rows.append([photo, *(apply_grid(photo, stylizer.stylize(photo, style)) for style in statistics)])
    turned = [list(column) for column in zip(*rows)]  # styles downwards fits a page better than styles across
    return np.vstack([with_gap(np.hstack([with_gap(tile, 1) for tile in row]), 0) for row in turned])


def covering(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The largest centred crop of that shape, resized."""
    width, height = size
    scale = max(width / picture.shape[1], height / picture.shape[0])
    scaled = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width])


def with_gap(picture: np.ndarray, axis: int) -> np.ndarray:
    pad = [(0, 0)] * 3
    pad[axis] = (0, GAP)
    return np.pad(picture, pad, constant_values=255)


async def photograph_the_pages(folder: Path, wide: str, stylizer: str | None) -> None:
    options = ("--stylizer", stylizer) if stylizer else ()
    with tempfile.TemporaryDirectory() as name:
        camera = write_panned_photo(Path(name) / "camera.y4m")
        (Path(name) / "up").mkdir()
        up = Up(Path(name) / "up", *options, environment=dict(os.environ))
        try:
            await asyncio.to_thread(up.wait_ready)
            async with chromium(camera) as browser:
                await photograph(browser, up.url, (1280, 800), folder / wide, compare=True)
                if not stylizer:
                    await photograph(browser, up.url, (390, 844), folder / "page-phone.jpg", compare=False)
        finally:
            await asyncio.to_thread(up.stop)


async def photograph(browser: Browser, url: str, size: tuple[int, int], path: Path, *, compare: bool) -> None:
    """The live page, once the gallery shows the camera's picture in every look."""
    page = await browser.new_page(viewport={"width": size[0], "height": size[1]})
    await page.goto(f"{url}/?source=camera&style=golden-hour&autostart=1")
    await until(page, "window.mvstylizer?.state === 'live' && mvstylizer.stats.keyFrames > 3")
    await asyncio.sleep(12)  # by when previews of all looks have come
    if compare:
        await page.get_by_role("button", name="Compare before and after").click()
    await page.mouse.move(*(length // 2 for length in size))
    await asyncio.sleep(1)
    await page.screenshot(path=path, quality=85, type="jpeg")
    await page.close()


if __name__ == "__main__":
    main()
