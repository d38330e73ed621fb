"""Fixtures of all tests: a real Redis, and running gateways and systems."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio
import redis

from pipeline.contract.errors import RedisUnavailable
from pipeline.queues.broker import connect
from support.missing import missing
from support.services.redis_process import RedisServer
from support.system.up import Up
from support.webrtc.our_parts import patched  # noqa: F401 (a fixture)
from support.webrtc.peers import FlatEdge, Running

# A test must not fail because the machine is busy. Hypothesis' own number of examples is for CI.
EXAMPLES = 100 if os.environ.get("CI") == "true" else 25
hypothesis.settings.register_profile("untimed", deadline=None, max_examples=EXAMPLES)
hypothesis.settings.load_profile("untimed")

# Processes that tests interrupt would ignore it in a test run that itself is started in the background (`pytest &`).
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Seed torch for the tests that have imported it, so that their random weights are the same in every run."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


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
def connection(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


def write_page(folder: Path) -> Path:
    """Write an empty page, and an empty one for operators."""
    files = {"index.html": "<title>page</title>", "main.js": "export {};", "status/status.html": "<title>"}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def web_root(tmp_path: Path) -> Path:
    """A folder with an empty page, and the operators' page."""
    return write_page(tmp_path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway(
    _shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """One gateway for all tests of a module, which must run in the module's event loop, too."""
    async with Running(_shared_redis.url, write_page(tmp_path_factory.mktemp("page"))) as gateway:
        yield gateway


@pytest.fixture
async def running(redis_url: str, web_root: Path) -> AsyncIterator[Running]:
    """A running gateway."""
    async with Running(redis_url, web_root) as gateway:
        yield gateway


@pytest.fixture
def edge(redis_url: str) -> Iterator[FlatEdge]:
    """An edge that answers the key frames of this Redis' gateways."""
    edge = FlatEdge(redis_url)
    yield edge
    edge.close()


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One running system, for all tests that do not change it."""
    system = Up(tmp_path_factory.mktemp("up"), environment=dict(os.environ))
    try:
        system.wait_ready()
        yield system
    finally:
        system.stop()
