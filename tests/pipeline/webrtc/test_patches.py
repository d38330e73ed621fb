"""All of our parts go in together, come out together, and stay out where aiortc is not what they were written for."""

import logging
import threading
import tomllib

import pytest
from aioice import ice, mdns
from aiortc import (
    RTCPeerConnection,
    RTCRtpReceiver,
    rtcicetransport,
    rtcpeerconnection,
    rtcrtpreceiver,
    rtcsctptransport,
)
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcsctptransport import RTCSctpTransport

from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.webrtc import patches
from pipeline.webrtc.internals import seams
from pipeline.webrtc.media.guarded_decoder import guarded_decoder
from pipeline.webrtc.transport import hardening
from support.paths import ROOT
from support.webrtc.our_parts import another_aiortc, counters

MODULES = (ice, mdns, rtcicetransport, rtcpeerconnection, rtcrtpreceiver, rtcsctptransport, RTCPeerConnection)


def state() -> dict[tuple[object, str], object]:
    """What every name in these modules stands for."""
    return {(module, name): value for module in MODULES for name, value in vars(module).items()}


def changed(before: dict[tuple[object, str], object]) -> set[str]:
    return {name for (module, name), value in state().items() if before.get((module, name)) is not value}


def test_nothing_is_missing_in_the_installed_libraries():
    assert patches.verify() == [] and seams.fits()


def test_everything_goes_in_and_comes_out_together():
    before, metrics = state(), GatewayMetrics()

    with patches.installed(counters(metrics), metrics.refused):
        inside = changed(before)

    assert len(inside) >= 20 and {"JitterBuffer", "RTCSctpTransport", "StunProtocol", "decode_params"} <= inside
    assert changed(before) == set()


def test_everything_comes_out_after_an_error():
    before = state()

    with pytest.raises(KeyError), patches.installed(counters(GatewayMetrics())):
        raise KeyError

    assert changed(before) == set()


def test_within_another_installation_nothing_changes():
    """As with a client in a gateway's process."""
    with patches.installed(counters(GatewayMetrics())):
        before = state()
        with patches.installed():
            assert changed(before) == set()
        assert changed(before) == set()


def test_decoder_threads_end_with_it():
    def decoders() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("decoder_")]

    with patches.installed(counters(GatewayMetrics())):
        started = decoders()

    for thread in started:
        thread.join(20)
    assert started and decoders() == []


def is_plain() -> bool:
    """But for what needs no private name."""
    assert rtcrtpreceiver.get_decoder is guarded_decoder and rtcsctptransport.decode_params is hardening.decode_params
    return rtcrtpreceiver.JitterBuffer is JitterBuffer and rtcpeerconnection.RTCSctpTransport is RTCSctpTransport


def warned(caplog: pytest.LogCaptureFixture) -> str:
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return record.getMessage()


def test_another_version_is_left_as_it_is_with_one_warning(caplog):
    with another_aiortc(), patches.installed(counters(GatewayMetrics())):
        assert is_plain()

    assert "aiortc 0.9.x" in warned(caplog)
    assert rtcrtpreceiver.get_decoder is get_decoder


@pytest.mark.parametrize(
    "owner, name",
    [
        (RTCRtpReceiver, "_send_rtcp_pli"),
        (RTCSctpTransport, "_mark_received"),
        (RTCPeerConnection, "_RTCPeerConnection__connect"),
        (ice.Connection, "_add_remote_candidate"),
        (rtcrtpreceiver, "TimestampMapper"),
        (rtcrtpreceiver, "threading"),
        (ice, "asyncio"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_whatever_is_missing_is_named_in_one_warning_and_nothing_else_is_replaced(monkeypatch, caplog, owner, name):
    monkeypatch.delattr(owner, name)

    with patches.installed(counters(GatewayMetrics())):
        assert is_plain()

    assert name in warned(caplog)


def test_what_is_stored_in_objects_is_missed_as_well(monkeypatch):
    monkeypatch.setattr(RTCRtpReceiver, "__init__", lambda self, kind, transport: None)

    assert {"RTCRtpReceiver._RTCRtpReceiver__jitter_buffer", "RTCRtpReceiver._enabled"} <= set(patches.verify())


def test_a_method_that_takes_something_else_now_is_named(monkeypatch):
    monkeypatch.setattr(RTCSctpTransport, "_receive_chunk", lambda self, chunk, path: None)

    assert patches.verify() == ["RTCSctpTransport._receive_chunk(self, chunk, path)"]


def test_the_project_asks_for_what_was_tested():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]

    for package, tested in seams.TESTED.items():
        major, minor = map(int, tested.rstrip(".").split("."))
        assert f"{package}>={major}.{minor},<{major}.{minor + 1}" in required
