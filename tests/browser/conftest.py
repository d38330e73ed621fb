"""A browser and a server for the tests of a module.."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from support.chromium import chromium, write_panned_photo, write_video
from support.page_server import PageServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory) -> AsyncIterator[Browser]:
    camera = write_panned_photo(tmp_path_factory.mktemp("camera") / "camera.y4m", frames=10)
    async with chromium(camera) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[PageServer]:
    async with PageServer().running() as server:
        yield server


@pytest.fixture(scope="session")
def portrait(tmp_path_factory) -> Path:
    """A video file, higher than wide."""
    return write_video(tmp_path_factory.mktemp("videos") / "portrait.webm", 240, 320)
