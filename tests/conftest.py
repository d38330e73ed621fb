"""A real Redis of the tests' own: skipped where there is no server, failed under CI."""
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import redis
import torch

from peers import FlatEdge, Running
from pipeline.errors import RedisUnavailable
from system import Up
from workers import redis_server
from workers.runtime import die_with_parent

if TYPE_CHECKING:
    from playwright.async_api import Page


def missing(what: str) -> None:
    """A laptop may lack it; CI may not."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI is set")
    pytest.skip(f"{what} is missing")


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Random weights and pictures are the same in every run."""
    torch.manual_seed(0)


class RedisServer:
    """A redis-server of our own that a test may stop and start again."""

    def __init__(self, folder: Path, **options: str) -> None:
        """`options` are redis-server's own, such as appendonly="yes"."""
        self.port = redis_server.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = redis_server.command(redis_server.find_server(), port=self.port, folder=folder)
        self._command += [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        with redis.Redis.from_url(self.url) as client:
            for _ in range(200):
                try:
                    if client.info("server")["process_id"] == self._process.pid:
                        return
                except redis.ConnectionError:
                    time.sleep(0.02)
        raise RuntimeError("the tests' Redis did not start")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    try:
        server = RedisServer(tmp_path_factory.mktemp("redis"))
    except RedisUnavailable:
        missing("a Redis server")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(_shared_redis: RedisServer) -> str:
    """An empty Redis."""
    with redis.Redis.from_url(_shared_redis.url) as client:
        client.flushall()
    return _shared_redis.url


@pytest.fixture
def web_root(tmp_path: Path) -> Path:
    """A page of nothing, and the operators'."""
    for name, text in (("index.html", "<title>page</title>"), ("main.js", "export {};"), ("status.html", "<title>")):
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
async def running(redis_url: str, web_root: Path) -> AsyncIterator[Running]:
    """A gateway."""
    async with Running(redis_url, web_root) as gateway:
        yield gateway


@pytest.fixture
def edge(redis_url: str) -> Iterator[FlatEdge]:
    """One that answers what this Redis' gateways ask."""
    edge = FlatEdge(redis_url)
    yield edge
    edge.close()


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One running system for all tests that only use it."""
    system = Up(tmp_path_factory.mktemp("up"), environment=dict(os.environ))
    try:
        system.wait_ready()
        yield system
    finally:
        system.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page() -> "AsyncIterator[Page]":
    """A page of our origin that runs nothing yet."""
    from chromium import chromium  # takes `missing` from here
    from page_server import PageServer

    async with PageServer().running() as server, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{server.url}/config")
        yield page
