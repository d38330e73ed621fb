"""A page in which modules run by themselves."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Page

from support.browsers.chromium import chromium
from support.browsers.page_server import PageServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page() -> AsyncIterator[Page]:
    """A page of our origin that has run no script yet."""
    async with PageServer().running() as server, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{server.url}/config")
        yield page
