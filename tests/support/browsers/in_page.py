"""Runs scripts in the page, and passes pictures and bytes there and back."""

import base64

import numpy as np
from playwright.async_api import Page

from pipeline.contract.image_codec import decode_image

#: Functions for scripts in the page: bytes from and to base64, since evaluate passes only JSON, and grids from floats.
HELPERS = """
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const gridOf = (shape, text) => ({ shape, coefficients: new Float32Array(bytes(text).buffer) });
  const toText = (array) => btoa(Array.from(array, (byte) => String.fromCharCode(byte)).join(''));
"""

#: Runs before the page's scripts: the controls wait 3 s for input before they fade, which a test ends with `waited()`.
CONTROLS_WAIT = """
  const { setTimeout } = window;
  window.setTimeout = (run, ms, ...args) => {
    if (ms !== 3000) return setTimeout(run, ms, ...args);
    window.waited = run;
    return 0;
  };
"""
#: Runs before the page's scripts: a hint, which lasts 1.5 s, goes away when a test calls `hinted`, not before.
HINTS_STAY = """{
  const { setTimeout } = window;
  window.setTimeout = (run, ms, ...args) => {
    if (ms !== 1500) return setTimeout(run, ms, ...args);
    window.hinted = run;
    return 0;
  };
}"""

#: Runs in the page: from the next frame on, whose id is `covered`, the camera is covered.
COVER = """() => {
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (source, ...place) {
    draw.call(this, source, ...place);
    if (!(source instanceof HTMLVideoElement)) return;
    this.fillStyle = '#003';
    this.fillRect(0, 0, this.canvas.width, this.canvas.height);
  };
  window.covered = mvstylizer.stats.framesSeen;
}"""


async def run(page: Page, script: str, **values: object) -> object:
    """Run a script, with `values` passed by name; it returns JSON."""
    return await page.evaluate(f"async ({{{', '.join(values)}}}) => {{ {HELPERS} {script} }}", values)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def floats(grid: np.ndarray) -> str:
    return text(grid.astype("<f4").tobytes())


def picture(data_url: str) -> np.ndarray:
    return decode_image(base64.b64decode(data_url.split(",")[1]))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(((a.astype(np.float64) - b) ** 2).mean())
    return 10 * np.log10(255**2 / error) if error else np.inf
