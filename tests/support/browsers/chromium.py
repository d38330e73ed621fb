"""Headless Chromium for tests of the page, with a clip as its camera. Skipped where there is none, failed under CI."""

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from clients.media.clip import Clip, upright
from clients.media.geometry import resized
from pipeline.contract.image_codec import decode_image
from support.missing import missing

#: Options for WebGL2 on the CPU, no connections to the outside, and a camera that needs no permission.
FLAGS = [
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-rasterization",  # Debian enables it, and SwiftShader is slow at it
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),  # its sandbox refuses to run as root
]

#: How complaints begin that tests bring about: refusals of their server, and pixels that they read.
OF_TESTS = ("Failed to load resource", "[.WebGL-", "Canvas2D: Multiple readback")
PHONE = {"width": 390, "height": 844}


def find_chromium() -> str:
    """The browser's path. Without one the test is skipped on a laptop, and fails under CI."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    missing("Chromium")


@asynccontextmanager
async def chromium(camera: Path | None = None, flags: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """A browser whose camera plays the .y4m file `camera` in a loop, or a browser without a camera."""
    path = find_chromium()
    fake = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"] if camera else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*FLAGS, *fake, *flags])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def phone(browser: Browser) -> AsyncIterator[Page]:
    """A page in a phone's size. An error of a script, or any complaint in the console, fails the test."""
    page = await browser.new_page(viewport=PHONE)
    heard = complaints(page)
    yield page
    await page.close()
    assert heard == [], heard


def complaints(page: Page) -> list[str]:
    """What scripts throw, and the console's errors and warnings, from now on, but for those that tests bring about."""
    heard: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(OF_TESTS):
            heard.append(message.text)

    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", hear)
    return heard


def photo(width: int, height: int) -> np.ndarray:
    """A public-domain photo with skin, metal and strong colours, scaled to cover RGB uint8 [height, width, 3]."""
    whole = skimage.data.astronaut()
    scale = max(width / whole.shape[1], height / whole.shape[0])
    scaled = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(scaled[:height, :width])


def write_panned_photo(path: Path, width: int = 640, height: int = 360, frames: int = 60, fps: int = 30) -> Path:
    """A clip that pans over a photo and back, as an uncompressed .y4m file of 4:2:0 BT.601 frames."""
    wide = photo(width + 2 * frames, height)
    lefts = (2 * abs(2 * frame - frames) for frame in range(frames))
    return write_y4m(path, (wide[:, left : left + width] for left in lefts), fps)


def write_real_clip(path: Path, source: Path, width: int = 640, height: int = 360, frames: int = 60) -> Path:
    """Write the beginning of a video file, scaled, in the format of `write_panned_photo`."""
    with Clip(source) as clip:
        start = islice(clip.frames(), frames)
        return write_y4m(path, (resized(upright(frame), (width, height)) for frame in start), fps=30)


def write_numbered_clip(path: Path, width: int = 640, height: int = 360, frames: int = 60) -> Path:
    """Write a panned photo whose top 32 rows show the frame's number in eight blocks: white, black, and six bits."""
    wide = photo(width + 2 * frames, height)
    block = np.arange(width) * 8 // width
    pictures = []
    for number in range(frames):
        picture = wide[:, 2 * number : 2 * number + width].copy()
        picture[:32] = np.array([255, 0, *((number >> bit & 1) * 255 for bit in range(6))])[block][None, :, None]
        pictures.append(picture)
    return write_y4m(path, pictures, fps=30)


def write_video(path: Path, width: int, height: int, frames: int = 10) -> Path:
    """A photo that does not move, as a WebM file."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"VP80"), 30, (width, height))
    for _ in range(frames):
        writer.write(photo(width, height)[..., ::-1])
    writer.release()
    return path


#: Runs in the page: for the next `count` frames, the numbers that its video and its canvas show.
NUMBERS = """async (count) => {
  const { Player: { prototype } } = await import('/render/player.js');
  const small = new OffscreenCanvas(8, 1).getContext('2d', { willReadFrequently: true });
  small.imageSmoothingEnabled = false;
  const read = (source, width) => {
    small.drawImage(source, 0, 0, width, 16, 0, 0, 8, 1);
    const greens = [...small.getImageData(0, 0, 8, 1).data].filter((_, index) => index % 4 === 1);
    const middle = (greens[0] + greens[1]) / 2;
    return greens.slice(2).reduce((number, green, bit) => number + ((green > middle) << bit), 0);
  };
  const [video, { output }, { show }] = [document.getElementById('video'), mvstylizer, prototype];
  const numbers = [];
  await new Promise((resolve) => {
    prototype.show = function (...frame) {
      show.apply(this, frame);
      numbers.push([read(video, video.videoWidth), read(output, output.width)]);
      if (numbers.length === count) resolve();
    };
  });
  prototype.show = show;
  return numbers;
}"""


async def frames_behind(page: Page, frames: int = 60) -> list[int]:
    """How many frames the canvas is behind the camera, each time it shows a frame of a numbered clip."""
    return [(video - canvas) % 60 for video, canvas in await page.evaluate(NUMBERS, frames)]


def write_y4m(path: Path, pictures: Iterable[np.ndarray], fps: int) -> Path:
    """Write frames, RGB uint8 [H, W, 3] each, with even sides."""
    with path.open("wb") as file:
        for number, picture in enumerate(pictures):
            if number == 0:
                height, width = picture.shape[:2]
                file.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420mpeg2\n".encode())
            yuv = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YUV_I420)
            file.write(b"FRAME\n" + yuv.tobytes())
    return path


#: Runs in the page: a look that has just come is drawn with the next frame; a source that stands still gives none.
SNAPSHOT = """async () => {
  const [seen, end] = [mvstylizer.stats.framesSeen, performance.now() + 2000];
  while (mvstylizer.stats.framesSeen === seen && performance.now() < end) await new Promise(requestAnimationFrame);
  return mvstylizer.snapshot();
}"""


async def snapshot(page: Page) -> tuple[np.ndarray, np.ndarray]:
    """The next frame, untouched and stylized, each RGB uint8 [H, W, 3]."""
    urls = await page.evaluate(SNAPSHOT)
    return tuple(decode_image(base64.b64decode(urls[kind].split(",")[1])) for kind in ("source", "output"))


async def until(page: Page, condition: str, timeout_s: float = 30) -> None:
    """Wait for a JavaScript expression. The page's security policy forbids Playwright's own page.wait_for_function."""
    script = f"async () => {{ while (!({condition})) await new Promise(requestAnimationFrame); }}"
    await asyncio.wait_for(page.evaluate(script), timeout_s)
