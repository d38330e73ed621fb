"""Measures the contrast of words with what is really behind them, where axe cannot tell since it is a picture."""

import asyncio

import numpy as np
from playwright.async_api import Page

from pipeline.contract.image_codec import decode_image

#: WCAG 2.2, 1.4.3: text of 24 px, or of 18.66 px in bold, is large.
LEAST, LEAST_LARGE = 4.5, 3.0
#: The visible elements whose contrast axe cannot tell, with the lines of their words as far as scrolling shows them.
UNSURE = """async () => {
  const shown = (it, { left, top, right, bottom }) => {
    for (let around = it; (around = around.parentElement); ) {
      if (getComputedStyle(around).overflow === 'visible') continue;
      const box = around.getBoundingClientRect();
      [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
      [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
    }
    return { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
  };
  const { incomplete } = await axe.run({ runOnly: ['color-contrast'] });
  const found = incomplete.flatMap(({ nodes }) => nodes).map(({ target }) => document.querySelector(target[0]));
  window.unsure = found.filter((it) => it.checkVisibility({ opacityProperty: true, visibilityProperty: true }));
  return unsure.map((it) => {
    const range = document.createRange();
    const words = [...it.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const lines = words.flatMap((node) => { range.selectNodeContents(node); return [...range.getClientRects()]; });
    const { color, fontSize, fontWeight } = getComputedStyle(it);
    const isLarge = parseFloat(fontSize) >= (fontWeight >= 700 ? 18.66 : 24);
    const boxes = lines.map((line) => shown(it, line));
    return { name: it.textContent.trim(), color: color.match(/[\\d.]+/g).map(Number), isLarge, lines: boxes };
  });
}"""
HIDE = "() => { for (const it of unsure) it.style.setProperty('color', 'transparent', 'important'); }"
SHOW = "() => { for (const it of unsure) it.style.removeProperty('color'); }"
#: How often the words are looked at, at most, and the seconds in between: what is still moving would be misjudged.
LOOKS, PAUSE_S = 4, 0.5


async def faint_words(page: Page) -> list[str]:
    """The words that stay too faint on some pixel behind them, of those that axe is unsure of. `axe` must be loaded."""
    for _ in range(LOOKS):
        if not (faint := await _faint_now(page)):
            break
        await asyncio.sleep(PAUSE_S)
    return faint


async def _faint_now(page: Page) -> list[str]:
    unsure = await page.evaluate(UNSURE)
    await page.evaluate(HIDE)
    shot = decode_image(await page.screenshot())
    await page.evaluate(SHOW)
    faint = []
    for words in unsure:
        found = min((contrast(words["color"], cut(shot, line)) for line in words["lines"]), default=np.inf)
        if found < (LEAST_LARGE if words["isLarge"] else LEAST):
            faint.append(f"{words['name']}: {found:.2f}")
    return faint


def cut(shot: np.ndarray, box: dict) -> np.ndarray:
    """The part of a screenshot [H, W, 3] in a box of CSS pixels, as far as it is on the page; [N, 3]."""
    top, left = max(0, round(box["y"])), max(0, round(box["x"]))
    return shot[top : round(box["y"] + box["height"]), left : round(box["x"] + box["width"])].reshape(-1, 3)


def contrast(colour: list[float], behind: np.ndarray) -> float:
    """The least contrast of a colour (RGB 0..255, perhaps with an alpha 0..1) with pixels uint8 [N, 3]."""
    if not len(behind):
        return np.inf
    alpha = colour[3] if len(colour) > 3 else 1.0
    words = alpha * np.array(colour[:3]) + (1 - alpha) * behind
    a, b = luminance(words), luminance(behind.astype(float))
    return float(((np.maximum(a, b) + 0.05) / (np.minimum(a, b) + 0.05)).min())


def luminance(rgb: np.ndarray) -> np.ndarray:
    """The relative luminance, 0..1, of sRGB colours 0..255 [N, 3]."""
    linear = np.where(rgb / 255 <= 0.04045, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]
