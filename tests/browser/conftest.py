"""A browser and a server for the tests of a module, and a page and a peer for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from support.browsers.chromium import chromium, phone, write_panned_photo, write_video
from support.browsers.fake_peer import FakePeer
from support.browsers.page_server import PageServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory) -> AsyncIterator[Browser]:
    camera = write_panned_photo(tmp_path_factory.mktemp("camera") / "camera.y4m", frames=10, fps=10)
    async with chromium(camera) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[PageServer]:
    async with PageServer().running() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page in a phone's size, which has not gone anywhere yet."""
    async with phone(browser) as page:
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def peer(page: Page, server: PageServer) -> FakePeer:
    """The peer to which the page connects, once it has gone to the server."""
    peer = FakePeer(page, server)
    await peer.install()
    return peer


@pytest.fixture(scope="session")
def portrait(tmp_path_factory) -> Path:
    """A video file, higher than wide."""
    return write_video(tmp_path_factory.mktemp("videos") / "portrait.webm", 240, 320)
