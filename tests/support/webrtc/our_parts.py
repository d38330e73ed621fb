"""Puts our parts in the place of aiortc's during a test, or leaves plain aiortc."""

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
    """Our parts are installed; the value counts what they refuse and drop."""
    metrics = GatewayMetrics()
    with patches.installed(counters(metrics), metrics.refused):
        yield metrics


@contextlib.contextmanager
def another_aiortc() -> Iterator[None]:
    """Pretend that the installed aiortc is a version that was never tested with our parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seams, "TESTED", {"aiortc": "0.9."})
        seams.fits.cache_clear()
        try:
            yield
        finally:
            seams.fits.cache_clear()
