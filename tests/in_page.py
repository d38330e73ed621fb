"""Runs scripts in the page, and turns pictures and bytes into what travels there and back."""
import base64

import numpy as np
from playwright.async_api import Page

from pipeline.codec import decode_image

#: In the page: bytes from and to base64, as evaluate passes JSON only.
HELPERS = """
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const toText = (array) => btoa(Array.from(array, (byte) => String.fromCharCode(byte)).join(''));
"""


async def run(page: Page, script: str, **values: object) -> object:
    """Run a script whose `values` are passed by name; it returns JSON."""
    return await page.evaluate(f"async ({{{', '.join(values)}}}) => {{ {HELPERS} {script} }}", values)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def picture(data_url: str) -> np.ndarray:
    return decode_image(base64.b64decode(data_url.split(",")[1]))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(((a.astype(np.float64) - b) ** 2).mean())
    return 10 * np.log10(255**2 / error) if error else np.inf


def make_grid(size: tuple[int, int, int] = (8, 9, 16), seed: int = 0) -> np.ndarray:
    """A strong look that differs from cell to cell, float16 [3, D, R, C, 4]."""
    rng = np.random.default_rng(seed)
    grid = rng.normal(0, 0.12, (3, *size, 4))
    grid[..., :3] += np.eye(3)[:, None, None, None]
    return grid.astype(np.float16)
