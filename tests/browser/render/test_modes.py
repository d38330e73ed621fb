"""The page's modes, which make frames from a key frame's answer, compared with their Python twins."""

import numpy as np
import pytest
from playwright.async_api import Page

from clients.reassembly.grid import apply_grid, carry_grid
from clients.reassembly.residual import reassemble_residual
from clients.reassembly.warp import warp
from support.browsers.chromium import photo
from support.browsers.in_page import floats, picture, psnr, run, text
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDTH, HEIGHT = 320, 180


def make_flow(width: int = 80, height: int = 45, seed: int = 0) -> np.ndarray:
    """Float32 [height, width, 4]: smooth motion of up to a tenth of the picture, validity (0 for a third), and 0."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
    moves = [0.1 * np.sin(6 * (x + y) + rng.uniform(0, 6)) * np.cos(5 * y + rng.uniform(0, 6)) for _ in "xy"]
    validity = np.clip(1.5 - 3 * np.abs(x - 0.5 + 0.3 * np.sin(7 * y)), 0, 1)
    return np.dstack([*moves, validity, 0 * x]).astype(np.float32)


def reassembled(mode: str, image: np.ndarray, grid: np.ndarray, flow: np.ndarray, key: np.ndarray) -> np.ndarray:
    """The frame as Python makes it: RGB uint8 H W 3."""
    moves = np.ascontiguousarray(flow[..., :3])
    if mode == "grid":
        return apply_grid(image, carry_grid(grid, moves))
    stylized = apply_grid(key, grid)
    if mode == "warp":
        return warp(stylized, moves)
    return reassemble_residual(image, key, stylized, grid, moves, moves)


async def drawn(
    page: Page, mode: str, image: np.ndarray, grid: np.ndarray, flow: np.ndarray | None, key: np.ndarray | None
) -> np.ndarray:
    """The frame as the page's renderer draws it."""

    def rgba(rgb: np.ndarray | None) -> str | None:
        return None if rgb is None else text(np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]).tobytes())

    url = await run(
        page,
        """
      const { Renderer } = await import('/render/renderer.js');
      const canvasOf = (data) => {
        const pixels = new ImageData(new Uint8ClampedArray(bytes(data)), width);
        const canvas = new OffscreenCanvas(width, pixels.height);
        canvas.getContext('2d').putImageData(pixels, 0, 0);
        return canvas;
      };
      const canvas = document.createElement('canvas');
      const renderer = new Renderer(canvas, mode);
      const source = canvasOf(image);
      renderer.setKey(key && canvasOf(key));
      renderer.setGrid(gridOf(size, grid));
      const flowOf = (data) => new Float32Array(bytes(data).buffer);
      renderer.setFlow(flow && { width: cells[1], height: cells[0], normalizedFlow: flowOf(flow) });
      renderer.setImage(source, width, source.height);
      renderer.draw([0, 0]);
      const drawn = canvas.toDataURL();
      renderer.destroy();
      return drawn;
    """,
        mode=mode,
        image=rgba(image),
        key=rgba(key),
        width=image.shape[1],
        size=grid.shape[1:4],
        grid=floats(grid),
        flow=None if flow is None else text(flow.tobytes()),
        cells=None if flow is None else flow.shape[:2],
    )
    return picture(url)


MODES = pytest.mark.parametrize("mode", ["grid", "residual", "warp"])


@MODES
async def test_the_page_and_python_make_the_same_frame(page, mode):
    image, grid, flow = photo(WIDTH, HEIGHT), make_grid(), make_flow()
    key = np.roll(image, 9, axis=1)

    shown = await drawn(page, mode, image, grid, flow, key)

    assert psnr(shown, reassembled(mode, image, grid, flow, key)) >= 40
    assert psnr(shown, reassembled(mode, image, grid, 0 * flow, key)) < 35


@MODES
async def test_without_flow_or_key_frame_the_grid_is_used_where_it_is(page, mode):
    image, grid, flow = photo(WIDTH, HEIGHT), make_grid(), make_flow()
    in_place = reassembled("grid", image, grid, 0 * flow, image)

    assert psnr(await drawn(page, mode, image, grid, None, image), in_place) >= 40
    along = reassembled("grid", image, grid, flow, image)
    assert psnr(await drawn(page, mode, image, grid, flow, None), along) >= 40


@pytest.mark.parametrize("mode", ["grid", "residual"])
async def test_what_is_not_valid_is_stylized_where_it_is(page, mode):
    """Such a place never shows a pixel of the old picture."""
    image, grid, flow = photo(WIDTH, HEIGHT), make_grid(), make_flow()
    flow[..., 2] = 0

    shown = await drawn(page, mode, image, grid, flow, np.zeros_like(image))

    assert psnr(shown, reassembled("grid", image, grid, 0 * flow, image)) >= 40


async def test_a_picture_that_did_not_change_is_the_stylized_key_frame_in_every_mode(page):
    image, grid, flow = photo(WIDTH, HEIGHT), make_grid(), make_flow()
    flow[..., :2], flow[..., 2] = 0, 1

    shown = {mode: await drawn(page, mode, image, grid, flow, image) for mode in ("grid", "residual", "warp")}

    assert psnr(shown["grid"], shown["residual"]) >= 45 and psnr(shown["grid"], shown["warp"]) >= 45
