"""The tests in this folder start processes; clients that they connect themselves have our parts, as any client has."""

from collections.abc import Iterator

import pytest

from pipeline.webrtc import patches


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    with patches.installed():
        yield
