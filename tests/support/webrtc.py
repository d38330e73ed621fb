"""Our parts in the place of aiortc's, or aiortc as it comes, for as long as a test runs."""

import contextlib
from collections.abc import Iterator

import pytest

from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.webrtc import patches
from pipeline.webrtc.internals import seams
from pipeline.webrtc.media.decoder_pool import Counters


def counters(metrics: GatewayMetrics) -> Counters:
    return Counters(metrics.frames_dropped, metrics.streams_refused)


@pytest.fixture
def patched() -> Iterator[GatewayMetrics]:
    """Where what is refused and dropped is counted."""
    metrics = GatewayMetrics()
    with patches.installed(counters(metrics), metrics.refused):
        yield metrics


@contextlib.contextmanager
def another_aiortc() -> Iterator[None]:
    """As if the installed one were a version that nothing of ours was tested with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seams, "TESTED", {"aiortc": "0.9."})
        seams.fits.cache_clear()
        try:
            yield
        finally:
            seams.fits.cache_clear()


@pytest.fixture(params=["patched", "plain"])
def either(request: pytest.FixtureRequest) -> Iterator[GatewayMetrics]:
    """For promises that hold with an aiortc that our parts do not fit, too: once so, and once with all of them."""
    metrics = GatewayMetrics()
    with contextlib.ExitStack() as stack:
        if request.param == "plain":
            stack.enter_context(another_aiortc())
        stack.enter_context(patches.installed(counters(metrics), metrics.refused))
        yield metrics
