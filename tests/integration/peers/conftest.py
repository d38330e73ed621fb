"""The tests in these folders connect real peers. Each runs twice: with our parts in the place of aiortc's, and without.

A test of something that only our parts do says so with `@pytest.mark.patched_only("what")`, and runs once.
"""

import contextlib
from collections.abc import Iterator

import pytest

from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.webrtc import patches
from support.webrtc.our_parts import another_aiortc, counters


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    patched_only = metafunc.definition.get_closest_marker("patched_only")
    metafunc.parametrize("webrtc", ["patched"] if patched_only else ["patched", "plain"], indirect=True)


@pytest.fixture(autouse=True)
def webrtc(request: pytest.FixtureRequest) -> Iterator[GatewayMetrics]:
    """How peers are made while a test runs. Our parts count in these metrics what they refuse and drop."""
    metrics = GatewayMetrics()
    with contextlib.ExitStack() as stack:
        if request.param == "plain":
            stack.enter_context(another_aiortc())
        stack.enter_context(patches.installed(counters(metrics), metrics.refused))
        yield metrics
